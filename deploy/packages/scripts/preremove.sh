#!/bin/sh
# Of the .deb (`remove`) and of the .rpm (0); an upgrade restarts the service when the new version is there.
set -e
case "$1" in
remove | 0)
    if [ -d /run/systemd/system ]; then
        systemctl disable --now avepoint_exporter.service avepoint_exporter.socket
    fi
    ;;
esac
