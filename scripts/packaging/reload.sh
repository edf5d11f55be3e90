#!/bin/sh
# After installation and removal: systemd, where it runs, reads its units again.
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
