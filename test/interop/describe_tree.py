"""Says what libtorrent makes of directories and of .torrent files.

A request is a line of JSON on stdin, its answer a line of JSON on stdout:
    {"directory": PATH, "pieceSizeBytes": N, "hybrid": BOOL}   what libtorrent itself makes of a tree
    {"torrent": PATH}                                          what it reads in a .torrent
"""

import json
import os
import sys

import libtorrent as lt

FLAGS = lt.create_torrent_flags_t


def make(request):
    directory = request["directory"]
    flags = FLAGS.symlinks | (0 if request["hybrid"] else FLAGS.v2_only)
    storage = lt.file_storage()
    lt.add_files(storage, directory, flags=flags)
    torrent = lt.create_torrent(storage, request["pieceSizeBytes"], flags)
    lt.set_piece_hashes(torrent, os.path.dirname(directory))
    made = torrent.generate()
    layers = made.get(b"piece layers", {})
    answer = hashes_of(lt.torrent_info(lt.bdecode(lt.bencode(made))))
    answer["info"] = lt.bencode(made[b"info"]).decode("latin-1")
    answer["pieceLayers"] = {root.hex(): layer.hex() for root, layer in layers.items()}
    return answer


def hashes_of(info):
    hashes = info.info_hashes()
    return {
        "infoHash": str(hashes.v2) if hashes.has_v2() else None,
        "v1InfoHash": str(hashes.v1) if hashes.has_v1() else None,
    }


for line in sys.stdin:
    asked = json.loads(line)
    try:
        said = make(asked) if "directory" in asked else hashes_of(lt.torrent_info(asked["torrent"]))
    except Exception as error:
        said = {"error": str(error)}
    print(json.dumps(said), flush=True)
