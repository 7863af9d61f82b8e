"""The Python bootstrap: it loads the handler and runs it for each event of the
Runtime API. One kept-open socket, only light modules of the standard library;
the answer to one event and the request for the next leave in one write.

Started with MOLN_POOL=1 it first asks which function it is."""

import json
import logging
import os
import site
import socket
import sys
import time
import traceback

API = "/2018-06-01/runtime/"
FRAME_TEXT = 0xA55A0003
FRAME_JSON = 0xA55A0002
LEVELS = {"TRACE": 4, "DEBUG": 8, "INFO": 12, "WARN": 16, "WARNING": 16, "ERROR": 20, "FATAL": 24, "CRITICAL": 24}
REHEARSALS = 3
LOG_FD = int(os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", "-1"))


class Channel:
    """Plain HTTP/1.1 over one socket, responses in the order of requests."""

    def __init__(self, address):
        self.address = address
        host, _, port = address.rpartition(":")
        self.sock = socket.create_connection((host, int(port)))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def get(self, target):
        return ("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, self.address)).encode()

    def post(self, target, body, headers):
        head = "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s\r\n" % (target, self.address, len(body), headers)
        return head.encode() + body

    def send(self, data):
        self.sock.sendall(data)

    def fill(self):
        chunk = self.sock.recv(1 << 20)
        if not chunk:
            os._exit(1)  # the platform is gone: there is nobody to tell
        self.buffer += chunk

    def receive(self):
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end >= 0:
                break
            self.fill()
        headers = {}
        for line in self.buffer[:end].decode("utf-8", "replace").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        total = end + 4 + int(headers.get("content-length", 0))
        while len(self.buffer) < total:
            self.fill()
        body = self.buffer[end + 4:total]
        self.buffer = self.buffer[total:]
        return headers, body


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def emit(level, text, as_json=False):
    """Write one log record, which may hold line ends."""
    if LOG_FD < 0:
        write_all(1, (text.replace("\n", "\r") + "\n").encode("utf-8", "replace"))
        return
    body = text.encode("utf-8", "replace")
    kind = (FRAME_JSON if as_json else FRAME_TEXT) | LEVELS.get(level, 0)
    head = kind.to_bytes(4, "big") + len(body).to_bytes(4, "big") + int(time.time() * 1e6).to_bytes(8, "big")
    write_all(LOG_FD, head + body)


class RequestID(logging.Filter):
    current = ""
    tenant = None

    def filter(self, record):
        record.aws_request_id = RequestID.current
        record.tenant_id = RequestID.tenant
        return True


class LogHandler(logging.Handler):
    def emit(self, record):
        try:
            emit(record.levelname, self.format(record), isinstance(self.formatter, JSONFormatter))
        except Exception:
            self.handleError(record)


STAMP = "%Y-%m-%dT%H:%M:%SZ"


class JSONFormatter(logging.Formatter):
    """One object a record; what a caller added to the record comes last."""

    standard = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) - {"taskName"} | {"aws_request_id", "tenant_id"}

    def format(self, record):
        # Levels of one's own take the name of the next lower one there is.
        record.levelname = logging.getLevelName(min(50, max(0, record.levelno)) // 10 * 10)
        out = {"timestamp": time.strftime(STAMP, time.gmtime(record.created)), "level": record.levelname,
               "message": record.getMessage(), "logger": record.name}
        if record.exc_info and record.exc_info[0]:
            kind, value, trace = record.exc_info
            out.update(stackTrace=traceback.format_tb(trace), errorType=kind.__name__, errorMessage=str(value))
        out["requestId"] = record.aws_request_id
        if record.exc_info:
            out["location"] = "%s:%s:%s" % (record.pathname, record.funcName, record.lineno)
        if record.tenant_id is not None:
            out["tenantId"] = record.tenant_id
        for name, value in record.__dict__.items():
            if name not in self.standard and name not in out and value is not None:
                out[name] = value
        return json.dumps(out, ensure_ascii=False)


def log_format():
    return (os.environ.get("AWS_LAMBDA_LOG_FORMAT") or "").upper()


def setup_logging():
    handler = LogHandler()
    root = logging.getLogger()
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    if level in LEVELS:
        root.setLevel({"TRACE": "DEBUG", "FATAL": "CRITICAL"}.get(level, level))
    if log_format() == "JSON":
        handler.setFormatter(JSONFormatter())
    else:
        formatter = logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    handler.addFilter(RequestID())
    root.addHandler(handler)


class RuntimeFault(Exception):
    """A failure the platform has a name for."""

    def __init__(self, kind, message, frames=()):
        super().__init__(message)
        self.kind, self.message, self.frames = "Runtime." + kind, message, list(frames)


def frames_of(error):
    """The stack of an error without the frames on top that are ours."""
    frames = [(f.filename, f.lineno, f.name, f.line) for f in traceback.extract_tb(error.__traceback__)]
    own = 0
    while own < len(frames) and frames[own][0] == __file__:
        own += 1
    return traceback.format_list(frames[own:] or frames)


def error_body(error, request_id):
    if isinstance(error, RuntimeFault):
        return {"errorMessage": error.message, "errorType": error.kind, "requestId": request_id, "stackTrace": error.frames}
    return {"errorMessage": str(error), "errorType": type(error).__name__, "requestId": request_id,
            "stackTrace": frames_of(error)}


def indent(line):
    """The line with no-break spaces for the spaces it begins with."""
    rest = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(rest)) + rest


def log_error(body):
    if log_format() == "JSON":
        record = {"timestamp": time.strftime(STAMP, time.gmtime()), "log_level": "ERROR"}
        record.update(body)
        emit("ERROR", json.dumps(record, ensure_ascii=False), True)
        return
    lines = ["[ERROR] " + (body["errorType"] + ": " + body["errorMessage"] if body["errorMessage"] else body["errorType"])]
    lines.append("Traceback (most recent call last):")
    for frame in body["stackTrace"]:
        lines += [indent(line) for line in frame.splitlines()] or [""]
    emit("ERROR", "\n".join(lines))


def error_headers(body):
    kind = body["errorType"].encode("ascii", "replace").decode()
    return "Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: %s\r\n" % kind


def load_handler(spec):
    module_name, dot, name = (spec or "").rpartition(".")
    if not dot:
        raise RuntimeFault("MalformedHandlerName", "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % spec)
    import importlib
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise RuntimeFault("BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module_name)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as e:
        raise RuntimeFault("ImportModuleError", "Unable to import module '%s': %s" % (module_name, e))
    except SyntaxError as e:
        frame = '  File "%s" Line %s\n    %s' % (e.filename, e.lineno, e.text)
        raise RuntimeFault("UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, e), [frame])
    try:
        return getattr(module, name)
    except AttributeError:
        raise RuntimeFault("HandlerNotFound", "Handler '%s' missing on module '%s'" % (name, module_name)) from None


class Struct:
    def __init__(self, **fields):
        self.__dict__.update(fields)

    def __repr__(self):
        return "%s(%s)" % (type(self).__name__, ", ".join("%s=%r" % item for item in self.__dict__.items()))


class CognitoIdentity(Struct):
    pass


class ClientContext(Struct):
    pass


class Client(Struct):
    pass


def parsed(text, name):
    try:
        return json.loads(text)
    except ValueError as e:
        raise RuntimeFault("LambdaContextUnmarshalError", "Unable to parse %s JSON: %s" % (name, e))


def client_context(text):
    if not text:
        return None
    given = parsed(text, "Client Context")
    client = given.get("client")
    return ClientContext(
        custom=given.get("custom"), env=given.get("env"),
        client=client and Client(**{k: client.get(k) for k in (
            "installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")}))


class LambdaContext:
    def __init__(self, headers):
        env = os.environ
        self.aws_request_id = headers.get("lambda-runtime-aws-request-id")
        self.log_group_name = env.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = env.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = env.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = env.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = env.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self.client_context = client_context(headers.get("lambda-runtime-client-context"))
        identity = parsed(headers.get("lambda-runtime-cognito-identity") or "{}", "Cognito Identity")
        self.identity = CognitoIdentity(cognito_identity_id=identity.get("cognitoIdentityId"),
                                        cognito_identity_pool_id=identity.get("cognitoIdentityPoolId"))
        self._deadline_ms = int(headers.get("lambda-runtime-deadline-ms", 0))

    def get_remaining_time_in_millis(self):
        return max(self._deadline_ms - int(time.time() * 1000), 0)

    def log(self, message):
        emit("INFO", str(message))


# The runtimes from Python 3.12 on answer in UTF-8, those before escape it.
ESCAPED = frozenset("AWS_Lambda_python3.%d" % minor for minor in range(6, 12))


class Decimals:
    """Decimal numbers keep their digits: they are encoded as marks, which are
    replaced by the digits afterwards."""

    def __init__(self):
        self.mark = None

    def default(self, value):
        decimal = sys.modules.get("decimal")
        if not decimal or not isinstance(value, decimal.Decimal):
            raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)
        if value.is_nan():
            return float("nan")
        if not self.mark:
            self.mark = os.urandom(16).hex()
        return self.mark + str(value)

    def restore(self, text):
        if not self.mark:
            return text
        import re
        return re.sub('"%s([^"]*)"' % self.mark, r"\1", text)


def encode(value):
    """The answer's bytes, and their type."""
    if isinstance(value, bytes):
        return value, "application/unknown"
    decimals = Decimals()
    escaped = os.environ.get("AWS_EXECUTION_ENV") in ESCAPED
    text = json.dumps(value, ensure_ascii=escaped, default=decimals.default)
    return decimals.restore(text).encode("utf-8"), "application/json"


def handle(handler, headers, body):
    """Run the handler once; return the end of the target, the body, headers."""
    request_id = headers.get("lambda-runtime-aws-request-id", "")
    RequestID.current = request_id
    trace = headers.get("lambda-runtime-trace-id")
    if trace:
        os.environ["_X_AMZN_TRACE_ID"] = trace
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    RequestID.tenant = headers.get("lambda-runtime-aws-tenant-id")
    try:
        context = LambdaContext(headers)
        try:
            event = json.loads(body)
        except ValueError as e:
            raise RuntimeFault("UnmarshalError", "Unable to unmarshal input: %s" % e)
        result = handler(event, context)
        try:
            answer, kind = encode(result)
        except Exception as e:
            raise RuntimeFault("MarshalError", "Unable to marshal response: %s" % e)
        return "response", answer, "Content-Type: %s\r\n" % kind
    except Exception as e:
        failed = error_body(e, request_id)
        log_error(failed)
        return "error", json.dumps(failed, ensure_ascii=False).encode("utf-8", "replace"), error_headers(failed)


def init(channel, spec):
    """Load the handler, or report why not and end the process."""
    try:
        order = os.environ.pop("MOLN_INSPECT", None)
        if order:
            inspect(order)
        return load_handler(spec)
    except Exception as e:
        failed = error_body(e, "")
        logging.warning("LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code.")
        log_error(failed)
        sys.stdout.flush()
        channel.send(channel.post(API + "init/error", json.dumps(failed).encode(), error_headers(failed)))
        channel.receive()
        os._exit(1)


def inspect(order):
    """Open debugpy and wait for a client. Threads that the debugger does not stop
    carry its connections to the platform: one is kept open, and the first bytes
    on it are a client's."""
    platform, _, port = order.partition(",")
    try:
        import debugpy
    except ImportError as e:
        raise RuntimeFault("DebuggerMissing", "debugpy cannot be imported (%s): put it into the function's package or a layer" % e)
    import threading
    try:
        debugger = debugpy.listen(("127.0.0.1", int(port)))
    except Exception:
        debugger = debugpy.listen(("127.0.0.1", 0))

    def start(run, *args):
        thread = threading.Thread(target=run, args=args, daemon=True)
        thread.pydev_do_not_trace = thread.is_pydev_daemon_thread = True
        thread.start()

    def copy(source, sink, data=b""):
        try:
            while True:
                sink.sendall(data)
                data = source.recv(1 << 16)
                if not data:
                    break
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def offer():
        host, _, at = platform.rpartition(":")
        while True:
            out = socket.create_connection((host, int(at)))
            first = out.recv(1 << 16)
            if not first:
                return
            inner = socket.create_connection(debugger)
            start(copy, inner, out)
            start(copy, out, inner, first)

    start(offer)
    debugpy.wait_for_client()


def layer_versions():
    """Whose packages a layer may hold: the version asked for, and the one that runs."""
    own = "python%d.%d" % sys.version_info[:2]
    asked = os.environ.get("AWS_EXECUTION_ENV", "").rpartition("_")[2]
    return [own] if asked == own or not asked.startswith("python") else [asked, own]


def extend_path(root):
    """Put the code and the layers before everything else, with their .pth files."""
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [p for p in sys.path if p != own]
    given = [p for p in os.environ.get("PYTHONPATH", "").split(":") if p]
    layers = ["/opt/python/lib/%s/site-packages" % v for v in layer_versions()] + ["/opt/python"]
    # Packages for all functions come last, as the SDK of AWS's runtimes does.
    sys.path[0:0] = [root] + given + layers + [own, os.path.join(own, "python")]
    for path in [root] + layers:
        if os.path.isdir(path):
            site.addsitedir(path)


def rehearse():
    """Run what a first invocation runs, on a function of our own, and forget it:
    what it is made of has been touched when there is an event."""
    import importlib
    name = "moln_rehearsal"
    module = importlib.import_module(name)
    for _ in range(REHEARSALS):
        handle(module.handler, {"lambda-runtime-aws-request-id": "0"}, b"{}")
    del sys.modules[name]
    RequestID.current = ""


def assigned(channel):
    """Wait to be told which function this is."""
    channel.send(channel.get("/moln/assign"))
    order = json.loads(channel.receive()[1])
    os.environ.pop("MOLN_POOL", None)
    os.environ.update(order["env"])
    time.tzset()
    return order["taskRoot"], order["handler"]


def main():
    sys.stdout.reconfigure(encoding="utf-8", line_buffering=True)
    sys.stderr.reconfigure(encoding="utf-8", line_buffering=True)
    channel = Channel(os.environ["AWS_LAMBDA_RUNTIME_API"])
    if os.environ.get("MOLN_POOL") == "1":
        rehearse()
        root, spec = assigned(channel)
    else:
        root, spec = os.environ.get("LAMBDA_TASK_ROOT", "/var/task"), os.environ.get("_HANDLER")
    os.chdir(root)
    extend_path(root)
    setup_logging()
    handler = init(channel, spec)
    channel.send(channel.get(API + "invocation/next"))
    while True:
        headers, body = channel.receive()
        kind, answer, extra = handle(handler, headers, body)
        sys.stdout.flush()
        request_id = headers.get("lambda-runtime-aws-request-id", "")
        target = "%sinvocation/%s/%s" % (API, request_id, kind)
        channel.send(channel.post(target, answer, extra) + channel.get(API + "invocation/next"))
        channel.receive()


if __name__ == "__main__":
    main()
