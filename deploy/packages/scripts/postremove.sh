#!/bin/sh
# Of the .deb and of the .rpm. A purge takes the state along, which is what the service itself has written.
set -e
[ ! -d /run/systemd/system ] || systemctl daemon-reload
if [ "$1" = purge ]; then
    rm -rf /var/lib/avepoint_exporter /var/lib/private/avepoint_exporter
fi
