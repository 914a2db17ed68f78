#!/usr/bin/env python3
"""Sends a message to a room of ws-chat from a back end in Python, through Redis.

    pip install redis
    REDIS_URL=redis://localhost:6379 python3 examples/publish.py general bot "The build is green"

Exactly one server stores it, and everyone in the room sees it. Entries that are refused go to the stream
ws-chat:ingest:rejected, with a reason.
"""

import os
import sys
import uuid

import redis

if len(sys.argv) != 4:
    sys.exit("usage: publish.py ROOM USERNAME TEXT")
room, username, content = sys.argv[1:]

client = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379"))
# With an id of your own, an entry that is added again because the answer was lost is stored once.
entry = {"room": room, "username": username, "content": content, "id": str(uuid.uuid4())}
print(client.xadd("ws-chat:ingest", entry).decode())
