#!/bin/sh
# Of the .deb (`remove`, `purge`) and of the .rpm (0). A purge takes the state along, which the service itself has written.
set -e
case "$1" in
purge) rm -rf /var/lib/avepoint_exporter /var/lib/private/avepoint_exporter ;;
remove | 0) ;;
*) exit 0 ;;
esac
[ ! -d /run/systemd/system ] || systemctl daemon-reload
