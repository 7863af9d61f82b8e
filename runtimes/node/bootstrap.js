'use strict';
// The Node.js bootstrap: it loads the handler and runs it for each event of the
// Runtime API. One kept-open socket, no dependencies; the answer to one event and
// the request for the next leave in one write.
//
// Started with MOLN_POOL=1 it first asks which function it is.

const net = require('net');
const fs = require('fs');
const path = require('path');
const Module = require('module');
const { Writable } = require('stream');
const { format, types } = require('util');
const { pathToFileURL } = require('url');

const API = '/2018-06-01/runtime/';
const CALLBACK_ARGUMENTS = 3;
const FRAME_TEXT = 0xa55a0003;
const FRAME_JSON = 0xa55a0002;
const LEVELS = { TRACE: 4, DEBUG: 8, INFO: 12, WARN: 16, ERROR: 20, FATAL: 24 };
const NEVER_SETTLED = 'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes';
const EXIT_UNCAUGHT = 129;
const EXIT_REJECTION = 128;
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const TRAILER_BYTES_MAX = 48 << 10;
const REHEARSAL = path.join(__dirname, 'rehearsal.js');
const REHEARSALS = 3;

let host = process.env.AWS_LAMBDA_RUNTIME_API;
let logFD = parseInt(process.env._LAMBDA_TELEMETRY_LOG_FD, 10);
delete process.env._LAMBDA_TELEMETRY_LOG_FD;
let current = null; // the invocation under way
const logged = { id: undefined, tenant: undefined }; // what log records name: the last invocation
let handler = null;
let modern = false; // nodejs24 and later: no callbacks

// ---- the socket -----------------------------------------------------------

let socket = null;
let received = Buffer.alloc(0);
let chunks = []; // what came after received, until there is enough of it
let have = 0;
let need = 0;
const waiting = []; // callbacks of requests sent, in order

function connect() {
  const colon = host.lastIndexOf(':');
  socket = net.connect({ host: host.slice(0, colon), port: +host.slice(colon + 1), noDelay: true });
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    have += chunk.length;
    if (received.length + have < need) return;
    received = received.length || chunks.length > 1 ? Buffer.concat([received, ...chunks]) : chunk;
    chunks = [];
    have = 0;
    need = 0;
    while (take()) { /* one response after the other */ }
  });
  // The platform is gone, or has had enough of us: there is nobody to tell.
  socket.on('error', () => process.reallyExit(1));
  socket.on('close', () => process.reallyExit(1));
}

// take handles one complete response of the buffer, if there is one.
function take() {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const lines = received.latin1Slice(0, end).split('\r\n');
  const headers = {};
  for (let i = 1; i < lines.length; i++) {
    const colon = lines[i].indexOf(':');
    headers[lines[i].slice(0, colon).toLowerCase()] = lines[i].slice(colon + 1).trim();
  }
  const total = end + 4 + (+headers['content-length'] || 0);
  if (received.length < total) {
    need = total;
    return false;
  }
  const body = received.subarray(end + 4, total);
  received = received.subarray(total);
  const status = +lines[0].slice(9, 12);
  if (status === 100) return true;
  // Header values are UTF-8 on the wire.
  waiting.shift()({ status, headers, body });
  return received.length > 0;
}

function request(method, target, body, headers, callback) {
  let head = method + ' ' + target + ' HTTP/1.1\r\nHost: ' + host + '\r\n' + (headers || '');
  if (method === 'POST') head += 'Content-Length: ' + Buffer.byteLength(body) + '\r\n';
  waiting.push(callback);
  return head + '\r\n' + (body || '');
}

const utf8 = (text) => (text === undefined ? undefined : Buffer.from(text, 'latin1').toString('utf8'));

// ---- logs -----------------------------------------------------------------

function writeAll(fd, data) {
  for (let at = 0; at < data.length;) {
    try {
      at += fs.writeSync(fd, data, at);
    } catch (e) {
      if (e.code !== 'EAGAIN') return;
    }
  }
}

function emit(level, text, json) {
  const ms = Date.now();
  if (!(logFD > 0)) {
    writeAll(1, Buffer.from(text.replace(/\n/g, '\r') + '\n'));
    return;
  }
  const body = Buffer.from(text);
  const frame = Buffer.allocUnsafe(16 + body.length);
  frame.writeUInt32BE(((json ? FRAME_JSON : FRAME_TEXT) | LEVELS[level]) >>> 0, 0);
  frame.writeUInt32BE(body.length, 4);
  frame.writeBigInt64BE(BigInt(ms) * 1000n, 8);
  body.copy(frame, 16);
  writeAll(logFD, frame);
}

// stacked makes JSON of errors, wherever they stand in a value.
function stacked(_, value) {
  if (!(value instanceof Error)) return value;
  return {
    errorType: (value.constructor && value.constructor.name) || 'UnknownError',
    errorMessage: value.message,
    stackTrace: typeof value.stack === 'string' ? value.stack.split('\n') : value.stack,
    ...value,
  };
}

function jsonRecord(now, level, args) {
  const record = { timestamp: now, level, requestId: logged.id };
  if (logged.tenant !== undefined) record.tenantId = logged.tenant;
  if (args.length === 1) {
    record.message = args[0];
    try {
      return JSON.stringify(record, stacked);
    } catch (e) {
      record.message = format(args[0]);
      return JSON.stringify(record);
    }
  }
  record.message = format(...args);
  const failed = args.find((a) => a instanceof Error);
  if (failed) Object.assign(record, stacked('', failed));
  return JSON.stringify(record, stacked);
}

const inJSON = () => String(process.env.AWS_LAMBDA_LOG_FORMAT).toUpperCase() === 'JSON';

function log(level, args) {
  const now = new Date().toISOString();
  if (inJSON()) emit(level, jsonRecord(now, level, args), true);
  else emit(level, now + '\t' + logged.id + '\t' + level + '\t' + format(...args), false);
}

// logError logs what ends an invocation, or the process.
function logError(title, e) {
  const error = e instanceof Error ? e : new Error(e);
  if (inJSON()) log('ERROR', [error]);
  else log('ERROR', [title, describe(error)]);
}

function patchConsole() {
  const least = LEVELS[String(process.env.AWS_LAMBDA_LOG_LEVEL).toUpperCase()] || 0;
  const to = (level) => (message, ...more) => { if (LEVELS[level] >= least) log(level, [message, ...more]); };
  console.log = to('INFO');
  console.info = console.log;
  console.debug = to('DEBUG');
  console.warn = to('WARN');
  console.error = to('ERROR');
  console.trace = to('TRACE');
  console.fatal = to('FATAL');
}

// ---- errors ---------------------------------------------------------------

const texts = (e) => e.name && e.message && e.stack && typeof e.name === 'string'
  && typeof e.message === 'string' && typeof e.stack === 'string';
const isError = (e) => types.isNativeError(e) || (e && texts(e));
const noDelete = (text) => (text === undefined || text === null ? undefined : String(text).replace(/\x7f/g, '%7F'));

function errorBody(e) {
  try {
    if (!isError(e)) return { errorType: typeof e, errorMessage: e.toString(), trace: [] };
    return { errorType: noDelete(e.name), errorMessage: noDelete(e.message), trace: noDelete(e.stack).split('\n') };
  } catch (failed) {
    return { errorType: 'handled', errorMessage: 'callback called with an error whose message, name or stack cannot be read' };
  }
}

// describe is an error's text in the log: what JSON leaves out, and all its own.
function describe(e) {
  const whole = (_, value) => {
    if (!(value instanceof Error)) return value;
    const all = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
    if (typeof value.stack === 'string') all.stack = value.stack.split('\n');
    return all;
  };
  try {
    return '\t' + JSON.stringify(e, whole);
  } catch (failed) {
    return '\t' + JSON.stringify(errorBody(e));
  }
}

// RuntimeError is a failure the platform has a name for. Where an error of the
// function's is behind it, its frames tell where.
class RuntimeError extends Error {
  constructor(name, message, cause) {
    super(message);
    Object.defineProperty(this, 'name', { value: 'Runtime.' + name, configurable: true, writable: true });
    const frames = String((cause || this).stack).split('\n').filter((line) => /^\s+at /.test(line));
    this.stack = [this.name + ': ' + this.message, ...frames].join('\n');
    Object.defineProperty(this, 'stack', { enumerable: false });
  }
}

const headerSafe = (text) => String(text).replace(/[^\x20-\x7e]/g, '?');
const errorHeaders = (body) => 'Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: '
  + headerSafe(body.errorType) + '\r\n';

// ---- loading the handler --------------------------------------------------

function isESM(script) {
  if (script.endsWith('.mjs')) return true;
  if (!script.endsWith('.js')) return false;
  for (let dir = path.dirname(script); path.basename(dir) !== 'node_modules'; dir = path.dirname(dir)) {
    const file = path.join(dir, 'package.json');
    if (fs.existsSync(file)) { // an exception would be dear, and most have none
      try {
        return JSON.parse(fs.readFileSync(file, 'utf8')).type === 'module';
      } catch (e) {
        return false;
      }
    }
    if (dir === path.dirname(dir)) break;
  }
  return false;
}

async function loadModule(root, name) {
  const base = path.resolve(root, name);
  for (const file of [base, base + '.js', base + '.mjs', base + '.cjs']) {
    let st;
    try { st = fs.statSync(file); } catch (e) { continue; }
    if (st.isDirectory()) continue;
    return isESM(file) ? import(pathToFileURL(file).href) : require(file);
  }
  return require(require.resolve(name, { paths: [root] }));
}

const isAsync = (f) => Boolean(f.constructor) && f.constructor.name === 'AsyncFunction';

async function loadHandler(root, spec) {
  if (spec === undefined || spec.includes('..')) {
    throw new RuntimeError('MalformedHandlerName', "'" + spec + "' is not a valid handler name. Use absolute paths when specifying root directories in handler names.");
  }
  const dir = spec.slice(0, spec.lastIndexOf('/') + 1);
  const rest = spec.slice(dir.length);
  const dot = rest.indexOf('.');
  if (dot < 0) throw new RuntimeError('MalformedHandlerName', 'Bad handler');
  let found;
  try {
    found = await loadModule(root, dir + rest.slice(0, dot));
  } catch (e) {
    if (e instanceof SyntaxError) throw new RuntimeError('UserCodeSyntaxError', String(e), e);
    if (e && e.code === 'MODULE_NOT_FOUND') throw new RuntimeError('ImportModuleError', String(e), e);
    throw e; // a missing ES module, too, keeps its own name
  }
  const value = rest.slice(dot + 1).split('.').reduce((object, part) => object && object[part], found);
  if (!value) throw new RuntimeError('HandlerNotFound', spec + ' is undefined or not exported');
  if (typeof value !== 'function') throw new RuntimeError('HandlerNotFound', spec + ' is not a function');
  if (value[STREAMING] !== undefined && value[STREAMING] !== null && value[STREAMING] !== false) {
    if (value[STREAMING] !== 'response') throw new RuntimeError('MalformedStreamingHandler', 'Only response streaming is supported.');
    return value;
  }
  if (modern && value.length >= CALLBACK_ARGUMENTS) {
    throw new RuntimeError('CallbackHandlerDeprecated', 'this runtime does not call back: make the handler async, or return a promise.');
  }
  if (value.length === CALLBACK_ARGUMENTS && !isAsync(value) && process.env.AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING === undefined) {
    console.warn('Callback-based handlers work up to Node.js 22 only: make the handler async. AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING turns this warning off.');
  }
  return value;
}

// trustPlatform makes TLS clients trust one more authority where they name none
// themselves. The environment's own way to say so costs 45 ms at each start.
function trustPlatform(file) {
  if (!file) return;
  const pem = fs.readFileSync(file);
  const tls = require('tls');
  const create = tls.createSecureContext;
  tls.createSecureContext = (options) => {
    const made = create(options);
    if (!options || !options.ca) made.context.addCACert(pem);
    return made;
  };
}

// ---- invocations ----------------------------------------------------------

// post answers the current invocation, once, and asks for the next event.
function post(kind, body, headers) {
  const id = current.id;
  current = null;
  process.removeAllListeners('beforeExit');
  socket.ref();
  const answer = request('POST', API + 'invocation/' + id + '/' + kind, body, headers, () => {});
  socket.write(answer + request('GET', API + 'invocation/next', '', '', receive));
}

function succeed(inv, value) {
  if (current !== inv) return;
  let body;
  try {
    body = JSON.stringify(value === undefined ? null : value);
    if (body === undefined) body = 'null';
  } catch (e) {
    fail(inv, new Error('Unable to stringify response body'));
    return;
  }
  post('response', body, 'Content-Type: application/json\r\n');
}

function fail(inv, e) {
  if (current !== inv) return;
  logError('Invoke Error', e);
  const body = errorBody(e);
  post('error', JSON.stringify(body), errorHeaders(body));
}

function whenIdle(inv, then) {
  process.removeAllListeners('beforeExit');
  process.once('beforeExit', () => setImmediate(() => { if (current === inv) then(); }));
}

function contextOf(inv, headers) {
  const deadline = +headers['lambda-runtime-deadline-ms'];
  const parsed = (name, title) => {
    if (!headers[name]) return undefined;
    try {
      return JSON.parse(utf8(headers[name]));
    } catch (e) {
      throw new Error('Cannot parse ' + title + ' as json: ' + e);
    }
  };
  const env = process.env;
  const context = {
    callbackWaitsForEmptyEventLoop: true,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed('lambda-runtime-client-context', 'ClientContext'),
    identity: parsed('lambda-runtime-cognito-identity', 'CognitoIdentity'),
    invokedFunctionArn: utf8(headers['lambda-runtime-invoked-function-arn']),
    awsRequestId: inv.id,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  const tenant = headers['lambda-runtime-aws-tenant-id'];
  if (tenant !== undefined) context.tenantId = tenant;
  if (modern) {
    delete context.callbackWaitsForEmptyEventLoop;
    return context;
  }
  // The first call of any of these is the answer.
  const once = (f) => (...args) => {
    if (inv.called) return;
    f(...args);
    inv.called = true;
  };
  const done = (e, value) => (e === undefined || e === null ? succeed(inv, value) : fail(inv, e));
  context.succeed = once((value) => succeed(inv, value));
  context.fail = once((e) => fail(inv, e === undefined || e === null ? 'handled' : e));
  context.done = once(done);
  inv.callback = once((e, value) => {
    if ((e !== undefined && e !== null) || !context.callbackWaitsForEmptyEventLoop) done(e, value);
    else whenIdle(inv, () => succeed(inv, value));
  });
  return context;
}

// receive takes an event. While the handler runs, our socket must not keep the
// loop alive: an empty loop has a meaning.
function receive(response) {
  const inv = { id: response.headers['lambda-runtime-aws-request-id'] };
  current = inv;
  logged.id = inv.id;
  logged.tenant = response.headers['lambda-runtime-aws-tenant-id'];
  const trace = response.headers['lambda-runtime-trace-id'];
  if (trace) process.env._X_AMZN_TRACE_ID = trace;
  else delete process.env._X_AMZN_TRACE_ID;
  socket.unref();
  let event;
  let context;
  try {
    event = JSON.parse(response.body.toString('utf8'));
    context = contextOf(inv, response.headers);
  } catch (e) {
    fail(inv, e);
    return;
  }
  setImmediate(run, inv, event, context);
}

function run(inv, event, context) {
  if (handler[STREAMING]) {
    runStreaming(inv, event, context);
    return;
  }
  // When nothing is left to wait for, an async handler has failed; another that
  // has not called back has answered null.
  whenIdle(inv, () => {
    if (modern) process.exit(0);
    if (!isAsync(handler)) succeed(inv, null);
    else fail(inv, new RuntimeError('NodeJsExit', NEVER_SETTLED));
  });
  let result;
  try {
    result = modern ? handler(event, context) : handler(event, context, inv.callback);
  } catch (e) {
    if (modern) fail(inv, e);
    else inv.callback(e);
    return;
  }
  if (!result || typeof result.then !== 'function') {
    if (modern) succeed(inv, result);
    return;
  }
  const failed = (e) => fail(inv, e === undefined || e === null ? 'handled' : e);
  if (modern) result.then((value) => succeed(inv, value), failed);
  else result.then(context.succeed, context.fail);
}

// ---- streamed responses ---------------------------------------------------

// ResponseStream is the response of one invocation: its chunks go out on our own
// socket as they are written, and wait when nobody takes them. Whether a chunk
// was taken is known when the socket could hand it on.
class ResponseStream extends Writable {
  constructor(inv, highWaterMark) {
    super(highWaterMark > 0 ? { highWaterMark } : {});
    this._inv = inv;
    this._contentType = 'application/octet-stream';
    this._began = false; // the user has written
    this._open = false; // our head is sent
    this._over = false; // our last byte is sent
    this._answered = null; // called when the platform has taken the whole
  }

  setContentType(contentType) {
    if (this._began) throw new RuntimeError('InvalidStreamingOperation', 'Cannot set content-type, too late.');
    this._contentType = contentType;
  }

  write(chunk, encoding, callback) {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) chunk = JSON.stringify(chunk);
    if (!this._began) {
      this._began = true;
      if (typeof this._onBeforeFirstWrite === 'function') this._onBeforeFirstWrite((ch) => super.write(ch));
    }
    return super.write(chunk, encoding, callback);
  }

  end(chunk, encoding, callback) {
    if (chunk !== undefined && chunk !== null && typeof chunk !== 'function') {
      this.write(chunk, typeof encoding === 'string' ? encoding : undefined);
      chunk = undefined;
    } else if (typeof chunk === 'function') {
      callback = chunk;
    }
    if (typeof encoding === 'function') callback = encoding;
    if (!this._began) {
      this._began = true;
      if (typeof this._onBeforeFirstWrite === 'function') this._onBeforeFirstWrite((ch) => super.write(ch));
    }
    return super.end(callback);
  }

  _head() {
    if (this._open) return;
    this._open = true;
    waiting.push(() => {
      this._accepted = true;
      if (this._answered) this._answered();
    });
    socket.write('POST ' + API + 'invocation/' + this._inv.id + '/response HTTP/1.1\r\nHost: ' + host
      + '\r\nTransfer-Encoding: chunked\r\nLambda-Runtime-Function-Response-Mode: streaming\r\nContent-Type: '
      + headerSafe(this._contentType)
      + '\r\nTrailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n');
  }

  _write(chunk, encoding, callback) {
    this._writev([{ chunk }], callback);
  }

  _writev(items, callback) {
    if (this._over) {
      callback();
      return;
    }
    socket.cork();
    this._head();
    for (const { chunk } of items) {
      if (chunk.length === 0) continue;
      socket.write(chunk.length.toString(16) + '\r\n');
      socket.write(chunk);
      socket.write('\r\n');
    }
    // An empty write is called back when what stands before it was handed on.
    socket.write('', () => callback());
    socket.uncork();
  }

  _final(callback) {
    this._close('');
    callback();
  }

  // close sends what ends the response, once.
  _close(trailers) {
    if (this._over) return;
    this._over = true;
    socket.cork();
    this._head();
    socket.write('0\r\n' + trailers + '\r\n');
    socket.uncork();
  }

  // fail ends the response with an error behind what was sent.
  _fail(e) {
    const body = errorBody(e);
    let text = Buffer.from(JSON.stringify(body)).toString('base64');
    if (text.length > TRAILER_BYTES_MAX) {
      text = Buffer.from(JSON.stringify({ errorType: body.errorType, errorMessage: body.errorMessage.slice(0, TRAILER_BYTES_MAX / 4), trace: [] })).toString('base64');
    }
    this._close('Lambda-Runtime-Function-Error-Type: ' + headerSafe(body.errorType)
      + '\r\nLambda-Runtime-Function-Error-Body: ' + text + '\r\n');
  }

  // whenAccepted calls then once the platform has the whole response.
  _whenAccepted(then) {
    if (this._accepted) then();
    else this._answered = then;
  }
}

class HttpResponseStream {
  static from(underlyingStream, prelude) {
    underlyingStream.setContentType('application/vnd.awslambda.http-integration-response');
    const text = JSON.stringify(prelude);
    underlyingStream._onBeforeFirstWrite = (write) => {
      write(text);
      write(new Uint8Array(8)); // JSON has no NUL bytes
    };
    return underlyingStream;
  }
}

global.awslambda = {
  ...global.awslambda,
  streamifyResponse(handler, options) {
    handler[STREAMING] = 'response';
    if (options && typeof options.highWaterMark === 'number') handler[HIGH_WATER_MARK] = parseInt(options.highWaterMark, 10);
    return handler;
  },
  HttpResponseStream,
};

// runStreaming runs a handler whose answer is what it writes. The invocation is
// over when its promise is settled and the platform has the whole response.
function runStreaming(inv, event, context) {
  const stream = new ResponseStream(inv, handler[HIGH_WATER_MARK]);
  inv.stream = stream;
  for (const name of ['succeed', 'fail', 'done']) delete context[name];
  socket.ref(); // whoever waits for the stream waits for us
  const over = () => {
    if (current !== inv) return;
    const next = () => {
      current = null;
      process.removeAllListeners('beforeExit');
      socket.ref();
      socket.write(request('GET', API + 'invocation/next', '', '', receive));
    };
    if (modern || context.callbackWaitsForEmptyEventLoop === false) {
      next();
      return;
    }
    socket.unref();
    whenIdle(inv, next);
  };
  const failed = (e) => {
    if (current !== inv) return;
    logError('Invoke Error', e);
    stream.on('error', () => {}); // it is told already
    stream._fail(e);
    stream.destroy();
    stream._whenAccepted(over);
  };
  let result;
  try {
    result = handler(event, stream, context);
  } catch (e) {
    failed(e);
    return;
  }
  if (!result || typeof result.then !== 'function') {
    failed('Streaming does not support non-async handlers.');
    return;
  }
  result.then((value) => {
    if (value !== undefined) console.warn('Streaming handlers ignore return values.');
    stream._whenAccepted(over);
  }, failed);
}

// die reports an error nobody caught, and ends the process.
function die(title, e, status) {
  const inv = current;
  logError(title, e);
  const body = errorBody(e);
  const target = inv ? API + 'invocation/' + inv.id + '/error' : API + 'init/error';
  current = null;
  process.removeAllListeners('beforeExit');
  if (!socket || (!inv && handler)) process.reallyExit(status);
  socket.ref();
  const stream = inv && inv.stream;
  if (stream && stream._open) { // the error goes behind what was sent
    if (stream._accepted) process.reallyExit(status);
    stream._fail(e);
    stream._whenAccepted(() => process.reallyExit(status));
    return;
  }
  waiting.length = 0;
  socket.write(request('POST', target, JSON.stringify(body), errorHeaders(body), () => process.reallyExit(status)));
}

process.on('uncaughtException', (e) => die('Uncaught Exception', e, EXIT_UNCAUGHT));
process.on('unhandledRejection', (reason, promise) => {
  const e = new RuntimeError('UnhandledPromiseRejection', String(reason), isError(reason) ? reason : undefined);
  e.reason = reason;
  e.promise = promise;
  die('Unhandled Promise Rejection', e, EXIT_REJECTION);
});


// inspect opens the debugger, and waits for a client. A thread of its own, which
// runs while this one is stopped, carries the debugger's connections to the
// platform: it keeps one open, and the first bytes on it are a client's.
function inspect(order) {
  delete process.env.MOLN_INSPECT;
  const [platform, port] = order.split(',');
  const inspector = require('inspector');
  inspector.open(+port, '127.0.0.1');
  if (!inspector.url()) inspector.open(0, '127.0.0.1');
  const carrier = `
    const net = require('net');
    const { platform, inspector } = require('worker_threads').workerData;
    (function offer() {
      const out = net.connect(platform);
      out.on('error', () => {});
      out.once('data', (first) => {
        offer();
        const inner = net.connect(inspector);
        inner.on('error', () => out.destroy());
        out.on('error', () => inner.destroy());
        inner.write(first);
        out.pipe(inner);
        inner.pipe(out);
      });
    })();`;
  const [to, at] = [platform.lastIndexOf(':'), new URL(inspector.url())];
  const { Worker } = require('worker_threads');
  new Worker(carrier, { eval: true, env: {}, execArgv: [], workerData: {
    platform: { host: platform.slice(0, to), port: +platform.slice(to + 1) }, inspector: { host: at.hostname, port: +at.port },
  } }).unref();
  inspector.waitForDebugger();
}

async function init(root, spec) {
  if (process.env.MOLN_INSPECT) inspect(process.env.MOLN_INSPECT);
  modern = /nodejs(\d+)/.test(process.env.AWS_EXECUTION_ENV || '') && +RegExp.$1 >= 24;
  patchConsole();
  try {
    trustPlatform(process.env.MOLN_CA_FILE);
    process.chdir(root);
    handler = await loadHandler(root, spec);
  } catch (e) {
    logError('Uncaught Exception', e);
    const body = errorBody(e);
    socket.write(request('POST', API + 'init/error', JSON.stringify(body), errorHeaders(body), () => process.reallyExit(1)));
    return;
  }
  socket.write(request('GET', API + 'invocation/next', '', '', receive));
}

// assign takes the answer to "which function am I".
function assign(response) {
  const order = JSON.parse(response.body.toString('utf8'));
  delete process.env.MOLN_POOL;
  for (const name of Object.keys(order.env)) process.env[name] = order.env[name];
  Module._initPaths(); // NODE_PATH may have changed
  init(order.taskRoot, order.handler);
}

// rehearse loads a handler and answers events of nobody's, so that what a first
// invocation runs through has been compiled before there is one. It leaves nothing
// behind: no state, no module, no listener, and no word on the real socket.
async function rehearse() {
  const real = socket;
  let answered;
  socket = { ref() {}, unref() {}, write() { answered(); } };
  modern = false;
  patchConsole(); // init does it again, for the function's own log level
  handler = await loadHandler(path.dirname(REHEARSAL), path.basename(REHEARSAL, '.js') + '.handler');
  for (let i = 0; i < REHEARSALS; i++) {
    const over = new Promise((resolve) => { answered = resolve; });
    waiting.length = 0;
    waiting.push(receive);
    received = Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: 0\r\n'
      + 'Lambda-Runtime-Deadline-Ms: 0\r\nLambda-Runtime-Trace-Id: 0\r\nContent-Length: 2\r\n\r\n{}');
    take();
    await over;
  }
  waiting.length = 0;
  received = Buffer.alloc(0);
  current = null;
  logged.id = undefined;
  logged.tenant = undefined;
  handler = null;
  delete process.env._X_AMZN_TRACE_ID;
  delete require.cache[REHEARSAL];
  module.children.length = 0;
  process.removeAllListeners('beforeExit');
  socket = real;
}

connect();
if (process.env.MOLN_POOL === '1') {
  require('tls'); // what functions load first is cheap to have ready
  require('https');
  rehearse().then(() => socket.write(request('GET', '/moln/assign', '', '', assign)));
} else {
  init(process.env.LAMBDA_TASK_ROOT || '/var/task', process.env._HANDLER);
}
