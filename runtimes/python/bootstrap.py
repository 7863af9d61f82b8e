"""The Python bootstrap: it loads the handler and runs it for each event of the
Runtime API. One kept-open socket, only light modules of the standard library;
the answer to one event and the request for the next leave in one write.

Started with MOLN_POOL=1 it first asks which function it is."""

import json
import logging
import os
import socket
import sys
import time
import traceback

API = "/2018-06-01/runtime/"
FRAME_TEXT = 0xA55A0003
FRAME_JSON = 0xA55A0002
LEVELS = {"TRACE": 4, "DEBUG": 8, "INFO": 12, "WARN": 16, "WARNING": 16, "ERROR": 20, "FATAL": 24, "CRITICAL": 24}
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

    def filter(self, record):
        record.aws_request_id = RequestID.current
        return True


class LogHandler(logging.Handler):
    def emit(self, record):
        try:
            emit(record.levelname, self.format(record), isinstance(self.formatter, JSONFormatter))
        except Exception:
            self.handleError(record)


class JSONFormatter(logging.Formatter):
    standard = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "aws_request_id"}

    def format(self, record):
        out = {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)), "level": record.levelname,
               "message": record.getMessage(), "logger": record.name}
        if record.exc_info:
            kind, value, trace = record.exc_info
            out["stackTrace"] = traceback.format_list(traceback.extract_tb(trace))
            out["errorType"] = kind.__name__ if kind else None
            out["errorMessage"] = str(value)
        for name, value in record.__dict__.items():
            if name not in self.standard:
                out[name] = value
        if record.aws_request_id:
            out["requestId"] = record.aws_request_id
        return json.dumps(out, default=str)


def setup_logging():
    handler = LogHandler()
    root = logging.getLogger()
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON":
        handler.setFormatter(JSONFormatter())
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
        if level in LEVELS:
            root.setLevel({"TRACE": "DEBUG", "FATAL": "CRITICAL"}.get(level, level))
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


def frames_of(error, own):
    """The stack of an error without the first frames, which are ours."""
    return traceback.format_list(traceback.extract_tb(error.__traceback__)[own:])


def error_body(error, request_id, own):
    if isinstance(error, RuntimeFault):
        return {"errorMessage": error.message, "errorType": error.kind, "requestId": request_id, "stackTrace": error.frames}
    return {"errorMessage": str(error), "errorType": type(error).__name__, "requestId": request_id,
            "stackTrace": frames_of(error, own)}


def log_error(body):
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON":
        record = dict(body, timestamp=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), log_level="ERROR")
        emit("ERROR", json.dumps(record), True)
        return
    text = "[ERROR] %s: %s" % (body["errorType"], body["errorMessage"])
    if body["stackTrace"]:
        text += "\nTraceback (most recent call last):\n" + "".join(body["stackTrace"]).rstrip("\n").replace("  ", "\u00a0\u00a0")
    emit("ERROR", text)


def error_headers(body):
    kind = body["errorType"].encode("ascii", "replace").decode()
    return "Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: %s\r\n" % kind


def load_handler(spec):
    module_name, dot, name = (spec or "").rpartition(".")
    if not dot:
        raise RuntimeFault("MalformedHandlerName", "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % spec)
    import importlib
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as e:
        raise RuntimeFault("ImportModuleError", "Unable to import module '%s': %s" % (module_name, e))
    except SyntaxError as e:
        frame = '  File "%s" Line %s\n    %s\n' % (e.filename, e.lineno, (e.text or "").strip())
        raise RuntimeFault("UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, e), [frame])
    found = getattr(module, name, None)
    if found is None:
        raise RuntimeFault("HandlerNotFound", "Handler '%s' missing on module '%s'" % (name, module_name))
    return found


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


def client_context(text):
    if not text:
        return None
    given = json.loads(text)
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
        identity = json.loads(headers.get("lambda-runtime-cognito-identity") or "{}")
        self.identity = CognitoIdentity(cognito_identity_id=identity.get("cognitoIdentityId"),
                                        cognito_identity_pool_id=identity.get("cognitoIdentityPoolId"))
        self._deadline_ms = int(headers.get("lambda-runtime-deadline-ms", 0))

    def get_remaining_time_in_millis(self):
        return max(self._deadline_ms - int(time.time() * 1000), 0)

    def log(self, message):
        emit("INFO", str(message))


def encode(value):
    if isinstance(value, (bytes, bytearray)):
        raise TypeError("Object of type bytes is not JSON serializable")
    return json.dumps(value, ensure_ascii=False, default=decimal_default).encode("utf-8")


def decimal_default(value):
    decimal = sys.modules.get("decimal")
    if decimal and isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def handle(handler, headers, body):
    """Run the handler once; return the end of the target, the body, headers."""
    request_id = headers.get("lambda-runtime-aws-request-id", "")
    RequestID.current = request_id
    trace = headers.get("lambda-runtime-trace-id")
    if trace:
        os.environ["_X_AMZN_TRACE_ID"] = trace
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    try:
        try:
            event = json.loads(body)
            context = LambdaContext(headers)
        except ValueError as e:
            raise RuntimeFault("UnmarshalError", "Unable to unmarshal input: %s" % e)
        result = handler(event, context)
        try:
            return "response", encode(result), "Content-Type: application/json\r\n"
        except (TypeError, ValueError) as e:
            raise RuntimeFault("MarshalError", "Unable to marshal response: %s" % e)
    except Exception as e:
        failed = error_body(e, request_id, 1)
        log_error(failed)
        return "error", json.dumps(failed).encode(), error_headers(failed)


def init(channel, spec):
    """Load the handler, or report why not and end the process."""
    try:
        return load_handler(spec)
    except Exception as e:
        failed = error_body(e, "", 3)
        log_error(failed)
        sys.stdout.flush()
        channel.send(channel.post(API + "init/error", json.dumps(failed).encode(), error_headers(failed)))
        channel.receive()
        os._exit(1)


def extend_path(root):
    """Put the code and the layers before everything else."""
    version = "python%d.%d" % sys.version_info[:2]
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [p for p in sys.path if p != own]
    given = [p for p in os.environ.get("PYTHONPATH", "").split(":") if p]
    sys.path[0:0] = [root] + given + ["/opt/python/lib/%s/site-packages" % version, "/opt/python", own]


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
        import importlib  # noqa: what loading needs is cheap to have ready
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
