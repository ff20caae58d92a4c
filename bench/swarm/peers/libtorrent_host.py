"""A libtorrent client on a host of the swarm bench, with the settings that it comes with:
    libtorrent_host.py seed|fetch wait|now TORRENT FOLDER ADDRESS TRACKER
What it says and when it begins is in waiting-client.ts.
"""

import json
import os
import signal
import sys

import libtorrent as lt

CATEGORY = lt.alert.category_t
FAILURES = ("torrent_error", "file_error", "hash_failed", "listen_failed")


def settings(address):
    return {
        "listen_interfaces": f"{address}:6881",
        # There is nothing to be found but what the tracker tells.
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        # TCP for all: the bound is that of TCP, and in one's own network nobody needs to give way.
        "enable_outgoing_utp": False,
        "enable_incoming_utp": False,
        # 2: plain, never encrypted.
        "in_enc_policy": 2,
        "out_enc_policy": 2,
        "alert_mask": CATEGORY.status_notification
        | CATEGORY.error_notification
        | CATEGORY.storage_notification,
    }


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def main():
    role, when, torrent, folder, address, tracker = sys.argv[1:7]
    # Before threads are started, which would take the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    session = lt.session(settings(address))
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = folder
    params.trackers = [tracker]
    flags = lt.torrent_flags
    # Else it would wait in a queue until it may start.
    params.flags &= ~(flags.auto_managed | flags.paused)
    alerts_come, tell = os.pipe()
    session.set_alert_fd(tell)
    if when == "wait":
        say("ready")
        signal.sigwait({signal.SIGUSR2})
    handle = session.add_torrent(params)
    told = False
    while os.read(alerts_come, 4096):
        for alert in session.pop_alerts():
            kind = alert.what()
            if kind in FAILURES:
                sys.exit(f"{kind}: {alert.message()}")
            if role == "fetch" and kind == "torrent_finished":
                # Blocks may be verified before they are written; this waits for the disk.
                handle.flush_cache()
            elif role == "fetch" and kind == "cache_flushed" and not told:
                if handle.status().is_seeding:
                    told = True
                    say("whole")


main()
