# A hostile function: it runs what its event says and tells what came of it.
import ctypes, os, signal, socket, subprocess, sys, time, urllib.request

libc = ctypes.CDLL(None, use_errno=True)


def call(result):
    "Raises what the C library was refused."
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def nothing(found):
    "Raises where there was nothing to be found."
    if not found:
        raise LookupError("nothing found")
    return found


def connect(host, port):
    s = socket.create_connection((host, int(port)), 2)
    return s


def handler(event, context):
    scope = {**globals(), "event": event, "got": "done"}
    try:
        exec(event["code"], scope)
        return {"got": str(scope["got"])}
    except Exception as e:
        return {"refused": type(e).__name__ + ": " + str(e)}
