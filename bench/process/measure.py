"""Runs a program and tells what it used: wait4(2) knows it precisely, and Node has no wait4.

    measure.py SECONDS PROGRAM ARGUMENT...

The program has this one's stdout and stderr. On file descriptor 3 this says, as JSON, a line each:
    {"event": "started", "pid": N, "atMs": T}
    {"event": "ended", "atMs": T, "code": N | null, "signal": N | null, "cpuSeconds": S,
     "peakBytes": B, "peakAnonymousBytes": B}
Times are of the monotonic clock, which is also that of process.hrtime. CPU time is that of the
program and of all processes that it waited for. Memory is that of the process tree: the largest
resident set of a single process as the kernel knows it, or the largest sum that was seen; it is
looked at once in SECONDS.

SIGTERM, SIGINT and SIGHUP are passed on. When who started this is gone, all is killed.
"""

import json
import os
import signal
import sys
import time

REPORT_FD = 3
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def report(event, **fields):
    os.write(REPORT_FD, (json.dumps({"event": event, **fields}) + "\n").encode())


def now_ms():
    return time.monotonic_ns() / 1e6


def tree(pid):
    pids = [pid]
    for parent in pids:
        try:
            with open(f"/proc/{parent}/task/{parent}/children") as file:
                pids.extend(int(child) for child in file.read().split())
        except OSError:
            pass
    return pids


def resident(pid):
    """The resident bytes of a process, and those of them that are of no file."""
    found = {"VmRSS": 0, "RssAnon": 0}
    try:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name in found:
                    found[name] = int(value.split()[0]) << 10
    except OSError:
        pass
    return found["VmRSS"], found["RssAnon"]


def start(command):
    return os.posix_spawnp(
        command[0],
        command,
        os.environ,
        setsigmask=(),
        # Python ignores them, and what is ignored stays so.
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
    )


def main():
    sample_seconds = float(sys.argv[1])
    # The program must not hold it open.
    os.set_inheritable(REPORT_FD, False)
    waited = {signal.SIGCHLD, *ENDING}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    parent = os.getppid()
    at = now_ms()
    pid = start(sys.argv[2:])
    report("started", pid=pid, atMs=at)
    peak, peak_anonymous = 0, 0
    while True:
        got = signal.sigtimedwait(waited, sample_seconds)
        at = now_ms()
        if os.getppid() != parent:
            os.killpg(0, signal.SIGKILL)
        if got is not None and got.si_signo in ENDING:
            os.kill(pid, got.si_signo)
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended == pid:
            break
        sizes = [resident(one) for one in tree(pid)]
        peak = max(peak, sum(size for size, _ in sizes))
        peak_anonymous = max(peak_anonymous, sum(size for _, size in sizes))
    code = os.waitstatus_to_exitcode(status)
    report(
        "ended",
        atMs=at,
        code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        cpuSeconds=usage.ru_utime + usage.ru_stime,
        peakBytes=max(peak, usage.ru_maxrss << 10),
        peakAnonymousBytes=peak_anonymous,
    )


main()
