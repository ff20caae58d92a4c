"""A libtorrent client as a process of its own, as it comes or set as fast as it goes:
    libtorrent_client.py default|tuned seed TORRENT FOLDER
    libtorrent_client.py default|tuned fetch TORRENT FOLDER PORT
A seed says {"event": "listening", "port": N} when it has verified all, and goes on until it is
ended. A fetcher says {"event": "whole", "tookMs": N} when all is verified and written, and ends.
"""

import json
import os
import sys
import time

import libtorrent as lt

CATEGORY = lt.alert.category_t

# What both have: it talks to nobody but the peer, over plain TCP, and does not give up.
SETTINGS = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    # 2: plain, never encrypted.
    "in_enc_policy": 2,
    "out_enc_policy": 2,
    "allow_multiple_connections_per_ip": True,
    # No time is too long for the peer that there is.
    "peer_timeout": 120,
    "inactivity_timeout": 120,
    "alert_mask": CATEGORY.status_notification
    | CATEGORY.error_notification
    | CATEGORY.storage_notification,
}

TUNED = {
    **lt.high_performance_seed(),
    "hashing_threads": os.cpu_count() or 2,
    "aio_threads": 8,
    "send_buffer_watermark": 8 << 20,
    "send_buffer_low_watermark": 1 << 20,
    "send_buffer_watermark_factor": 200,
    "max_out_request_queue": 2000,
    "max_allowed_in_request_queue": 4000,
    "max_queued_disk_bytes": 64 << 20,
    "file_pool_size": 1000,
    **SETTINGS,
}

FAILURES = ("torrent_error", "file_error", "hash_failed", "listen_failed")


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def main():
    how, role, torrent, folder = sys.argv[1:5]
    started = time.monotonic()
    session = lt.session(TUNED if how == "tuned" else SETTINGS)
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = folder
    flags = lt.torrent_flags
    # Else it would wait in a queue until it may start.
    params.flags &= ~(flags.auto_managed | flags.paused)
    params.flags |= flags.disable_dht | flags.disable_lsd | flags.disable_pex
    if role == "fetch":
        params.peers = [("127.0.0.1", int(sys.argv[5]))]
    alerts_come, tell = os.pipe()
    session.set_alert_fd(tell)
    handle = session.add_torrent(params)
    while os.read(alerts_come, 4096):
        for alert in session.pop_alerts():
            kind = alert.what()
            if kind in FAILURES:
                sys.exit(f"{kind}: {alert.message()}")
            if kind == "torrent_checked" and role == "seed":
                if not handle.status().is_seeding:
                    sys.exit("what it should seed is not whole")
                say("listening", port=session.listen_port())
            elif kind == "torrent_finished" and role == "fetch":
                # Blocks may be verified before they are written; this waits for the disk.
                handle.flush_cache()
            elif kind == "cache_flushed" and role == "fetch" and handle.status().is_seeding:
                say("whole", tookMs=(time.monotonic() - started) * 1000)
                # To end the session would take time that is no part of a transfer.
                os._exit(0)


main()
