#!/bin/sh
# Sends a message to a room of ws-chat from a shell, through Redis:
#
#   REDIS_URL=redis://localhost:6379 sh examples/publish.sh general bot "The build is green"
#
# `data` may hold JSON for programs, with `content` or without.
set -eu

if [ $# -ne 3 ]; then
  echo "usage: publish.sh ROOM USERNAME TEXT" >&2
  exit 1
fi

redis-cli -u "${REDIS_URL:-redis://localhost:6379}" -e \
  XADD ws-chat:ingest '*' room "$1" username "$2" content "$3"
