"""A BitTorrent client: one libtorrent session with one torrent, until stdin ends.

The first line on stdin says what it does, as JSON:
    {"torrent": PATH, "magnet": LINK, "savePath": PATH, "trackers": [URL...], "uploadLimit": N}
with a .torrent or a magnet link, and N in bytes a second; each line after it a peer to connect to:
    {"connect": [HOST, PORT]}

It says on stdout, as JSON:
    {"event": "listening", "port": N}   it takes connections
    {"event": "checked"}                it has looked through what lies at savePath
    {"event": "metadata", ...}          it has the info dictionary; with its hashes
    {"event": "whole"}                  all is there, verified and written
and on stderr whatever libtorrent tells. It ends with 1 when it can't go on.
"""

import json
import os
import sys
import threading

import libtorrent as lt

SETTINGS = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    # It would be tried first, and nobody answers there.
    "enable_outgoing_utp": False,
    # When a peer's last HAVE makes it a seed, 2.0.8 looks whether it is redundant before it is interested in
    # that piece: who had all the others closes the connection, and comes back only after a minute.
    "close_redundant_connections": False,
    # All peers of a test have one address.
    "allow_multiple_connections_per_ip": True,
    "alert_mask": lt.alert.category_t.status_notification
    | lt.alert.category_t.error_notification
    | lt.alert.category_t.storage_notification
    | lt.alert.category_t.tracker_notification
    | lt.alert.category_t.connect_notification,
}

FAILURES = ("torrent_error", "file_error", "metadata_failed", "hash_failed", "listen_failed")


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def add(session, asked):
    if "magnet" in asked:
        params = lt.parse_magnet_uri(asked["magnet"])
    else:
        params = lt.add_torrent_params()
        params.ti = lt.torrent_info(asked["torrent"])
    params.save_path = asked["savePath"]
    params.trackers = params.trackers + asked.get("trackers", [])
    if "uploadLimit" in asked:
        params.upload_limit = asked["uploadLimit"]
    flags = lt.torrent_flags
    # Else it would wait in a queue until it may start.
    params.flags &= ~(flags.auto_managed | flags.paused)
    # It knows only the peers that a test, or its tracker, names.
    params.flags |= flags.disable_dht | flags.disable_lsd | flags.disable_pex
    return session.add_torrent(params)


def obey(handle):
    for line in sys.stdin:
        host, port = json.loads(line)["connect"]
        handle.connect_peer((host, port))
    os._exit(0)


def say_hashes(handle):
    hashes = handle.info_hashes()
    v1 = str(hashes.v1) if hashes.has_v1() else None
    say("metadata", infoHash=str(hashes.v2), v1InfoHash=v1)


def on_alert(session, handle, alert):
    kind = alert.what()
    if kind == "listen_succeeded":
        say("listening", port=session.listen_port())
    elif kind == "torrent_checked":
        say("checked")
    elif kind == "metadata_received":
        say_hashes(handle)
    elif kind == "torrent_finished":
        # Blocks may be verified before they are written; this waits for the disk.
        handle.flush_cache()
    elif kind == "cache_flushed" and handle.status().is_seeding:
        say("whole")
    elif kind in FAILURES:
        os._exit(1)


def main():
    asked = json.loads(sys.stdin.readline())
    session = lt.session(SETTINGS)
    handle = add(session, asked)
    threading.Thread(target=obey, args=(handle,), daemon=True).start()
    # wait_for_alert won't do: it gives Python an alert that libtorrent may move while Python looks.
    alerts_come, tell = os.pipe()
    session.set_alert_fd(tell)
    while os.read(alerts_come, 4096):
        for alert in session.pop_alerts():
            print(f"{alert.what()}: {alert.message()}", file=sys.stderr, flush=True)
            on_alert(session, handle, alert)


main()
