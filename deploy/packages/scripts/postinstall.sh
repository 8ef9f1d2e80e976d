#!/bin/sh
# Of the .deb (`configure`, and the version before if there was one) and of the .rpm (1: installed, 2: upgraded).
set -e
case "$1" in
configure) before=$2 ;;
1) before= ;;
2) before=another ;;
*) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    if [ -n "$before" ]; then
        # What does not start is no reason to leave the package half installed.
        systemctl try-restart avepoint_exporter.service ||
            echo "avepoint_exporter did not start again: journalctl -u avepoint_exporter says why" >&2
    fi
fi
[ -n "$before" ] || cat <<'END'
avepoint_exporter is installed. It does not start before you configure it:
  1. write your client_id into /etc/avepoint_exporter/config.yaml
  2. paste the client secret, then Ctrl-D:  install -m 0600 /dev/stdin /etc/avepoint_exporter/client_secret
  3. systemctl enable --now avepoint_exporter
END
