// The life of examples/notes with the unmodified Serverless CLIs, each on a fresh
// moln that keeps nothing: deploy, info, invoke, logs, an update, a removal that
// AWS refuses while a bucket holds an object, and the removal that leaves nothing.
// Everything goes through `moln exec`.
//
//   MOLN=bin/moln node deploy.mjs [osls] [serverless] [nodejs6.10]
//
// TOOLS keeps the CLIs between runs (default: a temporary directory).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { APIGateway } from '@aws-sdk/client-api-gateway';
import { CloudFormation, waitUntilStackDeleteComplete } from '@aws-sdk/client-cloudformation';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { CognitoIdentity } from '@aws-sdk/client-cognito-identity';
import { CognitoIdentityProvider } from '@aws-sdk/client-cognito-identity-provider';
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { IAM } from '@aws-sdk/client-iam';
import { Lambda } from '@aws-sdk/client-lambda';
import { S3 } from '@aws-sdk/client-s3';

const here = path.dirname(fileURLToPath(import.meta.url));
const notes = path.join(here, '../../examples/notes');
const MOLN = path.resolve(process.env.MOLN ?? path.join(here, '../../bin/moln'));
const COMMAND_MILLIS = 180_000;
const READY_MILLIS = 30_000;

const work = mkdtempSync(path.join(tmpdir(), 'notes-deploy-'));
const tools = path.resolve(process.env.TOOLS ?? path.join(work, 'tools'));
const started = new Set();
let passed = 0;
let failed = 0;

async function step(name, check) {
  const began = Date.now();
  try {
    const found = await check();
    passed++;
    console.log(`ok   ${name} (${Date.now() - began} ms)`);
    return found;
  } catch (err) {
    failed++;
    console.log(`FAIL ${name}\n     ${String(err.message ?? err).replace(/\n/g, '\n     ')}`);
    return undefined;
  }
}

// run gives what a command says; a failure is an error unless it is wanted.
function run(command, args, { cwd, env, wantFailure = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child.stdout.on('data', (part) => (text += part));
    child.stderr.on('data', (part) => (text += part));
    const timer = setTimeout(() => child.kill(), COMMAND_MILLIS);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if ((code === 0) !== wantFailure) return resolve(text);
      reject(new Error(`${path.basename(command)} ${args.join(' ')} ended with ${signal ?? code}:\n${text.slice(-3000)}`));
    });
  });
}

const npm = (cwd, ...packages) =>
  run('npm', ['install', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error', ...packages], { cwd });

async function cli(name) {
  const version = { osls: '4.3.1', serverless: '3.40.0' }[name];
  const dir = path.join(tools, name);
  if (!existsSync(path.join(dir, 'node_modules', name))) {
    mkdirSync(dir, { recursive: true });
    writeFileSync(path.join(dir, 'package.json'), '{"private":true}');
    await npm(dir, `${name}@${version}`);
  }
  return path.join(dir, 'node_modules/.bin', name);
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startMoln() {
  const listen = `127.0.0.1:${await freePort()}`;
  const child = spawn(MOLN, ['up', '--ephemeral', '--listen', listen], { cwd: work, stdio: ['ignore', 'ignore', 'pipe'] });
  started.add(child);
  let log = '';
  child.stderr.on('data', (part) => (log += part));
  const end = Date.now() + READY_MILLIS;
  for (;;) {
    if (child.exitCode !== null || Date.now() > end) throw new Error(`moln does not start:\n${log}`);
    const ready = await fetch(`http://${listen}/_moln/ready`).catch(() => undefined);
    if (ready?.ok) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const stop = async () => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    await gone;
    started.delete(child);
    return log;
  };
  return { endpoint: `http://${listen}`, stop };
}

// clients of everything that a stack may leave behind.
function clientsOf(endpoint) {
  const config = { region: 'us-east-1', endpoint, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
  return {
    api: new APIGateway(config), stacks: new CloudFormation(config), logs: new CloudWatchLogs(config),
    identities: new CognitoIdentity(config), pools: new CognitoIdentityProvider(config), tables: new DynamoDB(config),
    iam: new IAM(config), functions: new Lambda(config), s3: new S3({ ...config, forcePathStyle: true }),
  };
}

async function everything(c) {
  const live = async () => {
    const { StackSummaries } = await c.stacks.listStacks({});
    return (StackSummaries ?? []).filter((s) => s.StackStatus !== 'DELETE_COMPLETE').map((s) => s.StackName);
  };
  return {
    stacks: await live(),
    buckets: ((await c.s3.listBuckets({})).Buckets ?? []).map((b) => b.Name),
    tables: (await c.tables.listTables({})).TableNames,
    functions: ((await c.functions.listFunctions({})).Functions ?? []).map((f) => f.FunctionName),
    pools: ((await c.pools.listUserPools({ MaxResults: 60 })).UserPools ?? []).map((p) => p.Name),
    identityPools: ((await c.identities.listIdentityPools({ MaxResults: 60 })).IdentityPools ?? []).map((p) => p.IdentityPoolName),
    apis: ((await c.api.getRestApis({})).items ?? []).map((a) => a.name),
    roles: ((await c.iam.listRoles({})).Roles ?? []).map((r) => r.RoleName),
    groups: ((await c.logs.describeLogGroups({})).logGroups ?? []).map((g) => g.logGroupName),
  };
}

// get asks a deployed API without needing a resolver for names below localhost.
function get(endpoint, id, route) {
  const { hostname, port } = new URL(endpoint);
  const headers = { host: `${id}.execute-api.localhost:${port}` };
  return new Promise((resolve, reject) => {
    http.get({ hostname, port, path: route, headers }, (response) => {
      let text = '';
      response.on('data', (part) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode, text }));
    }).on('error', reject);
  });
}

// edit changes one function and adds a route, as a developer would.
function edit(app) {
  const handler = path.join(app, 'handlers/me.js');
  const file = path.join(app, 'serverless.yml');
  const change = (name, from, to) => {
    const text = readFileSync(name, 'utf8');
    assert.ok(text.includes(from), `${name} has no ${from}`);
    writeFileSync(name, text.replace(from, to));
  };
  writeFileSync(path.join(app, 'handlers/hello.js'),
    "exports.handler = async () => ({ statusCode: 200, body: JSON.stringify({ hello: 'again' }) });\n");
  change(handler, "'use strict';", "'use strict';\nconsole.log('me, second edition');");
  change(file, 'functions:\n', 'functions:\n  hello:\n    handler: handlers/hello.handler\n    events:\n      - http: { path: /hello, method: get }\n');
  change(file, 'TABLE: ${self:custom.table}', 'TABLE: ${self:custom.table}\n    EDITION: second');
}

// refusedRemoval puts an object where the stack does not expect one. The first
// attempt takes the deployment bucket, without which the CLI cannot try again:
// the second goes to CloudFormation itself.
async function refusedRemoval(title, sls, { s3, stacks }) {
  const object = { Bucket: 'notes-site-dev', Key: 'index.html' };
  await step(`${title}: remove fails while a bucket holds an object, as on AWS`, async () => {
    await s3.putObject({ ...object, Body: 'x' });
    assert.match(await sls('remove', { wantFailure: true }), /The bucket you tried to delete is not empty/);
    const { Stacks } = await stacks.describeStacks({ StackName: 'notes-dev' });
    assert.equal(Stacks[0].StackStatus, 'DELETE_FAILED');
  });
  await step(`${title}: once it is empty, the stack goes`, async () => {
    await s3.deleteObject(object);
    await stacks.deleteStack({ StackName: 'notes-dev' });
    await waitUntilStackDeleteComplete({ client: stacks, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { StackName: 'notes-dev' });
  });
}

async function lifecycle({ name, runtime, refuse }) {
  const title = runtime ? `${name} with ${runtime}` : name;
  const command = await step(`${title}: is installed`, () => cli(name));
  if (!command) return;
  const app = path.join(work, title.replace(/\W+/g, '-'));
  cpSync(notes, app, { recursive: true, filter: (from) => !/node_modules|\.tools|\.serverless|\.moln/.test(path.relative(notes, from)) });
  await step(`${title}: the application's packages install`, () => npm(app));
  const { endpoint, stop } = await startMoln();
  const env = {
    ...(runtime && { NOTES_RUNTIME: runtime }), SLS_AWS_MONITORING_FREQUENCY: '200',
    SLS_TELEMETRY_DISABLED: '1', SLS_NOTIFICATIONS_MODE: 'off', FORCE_COLOR: '0',
  };
  const sls = (...args) => {
    const { wantFailure } = typeof args.at(-1) === 'object' ? args.pop() : {};
    return run(MOLN, ['exec', '--endpoint', endpoint, '--', command, ...args, '--stage', 'dev'], { cwd: app, env, wantFailure });
  };
  const clients = clientsOf(endpoint);
  try {
    const before = await everything(clients);
    await step(`${title}: deploy`, async () => assert.match(await sls('deploy'), /Service deployed to stack notes-dev/));
    await step(`${title}: the stack's functions have the runtime`, async () => {
      const { Functions } = await clients.functions.listFunctions({});
      assert.equal(Functions.length, 12);
      assert.deepEqual([...new Set(Functions.map((f) => f.Runtime))], [runtime ?? 'nodejs20.x']);
    });
    await step(`${title}: info`, async () => {
      const text = await sls('info');
      assert.match(text, /GET - https:\/\/\w+\.execute-api\.us-east-1\.amazonaws\.com\/dev\/notes\b/);
      assert.match(text, /welcome: notes-dev-welcome/);
    });
    await step(`${title}: invoke -f noteImage`, async () => {
      const text = await sls('invoke', '-f', 'noteImage', '-d', '{"pathParameters":{"id":"x"}}');
      assert.match(text, /"isBase64Encoded": true/);
      assert.match(text, /"body": "iVBORw0KGgo/);
    });
    await step(`${title}: invoke -f listUploads reads the table`, async () => {
      const text = await sls('invoke', '-f', 'listUploads', '-d', '{"pathParameters":{"identityId":"x"}}');
      assert.match(text, /"body": "\[\]"/);
    });
    await step(`${title}: invoke of a function that throws reports it`, async () => {
      const text = await sls('invoke', '-f', 'noteImage', '-d', '{}', { wantFailure: true });
      assert.match(text, /TypeError/);
    });
    await step(`${title}: logs -f`, async () => {
      const text = await sls('logs', '-f', 'noteImage');
      assert.match(text, /START/);
      assert.match(text, /TypeError/);
    });
    await step(`${title}: deploy of what has not changed is skipped`, async () => {
      assert.match(await sls('deploy'), /No changes to deploy/);
    });
    edit(app);
    await step(`${title}: an update`, async () => assert.match(await sls('deploy'), /GET - https:.*\/dev\/hello/));
    await step(`${title}: the new route answers, the old ones still do`, async () => {
      const [{ id }] = (await clients.api.getRestApis({})).items;
      assert.deepEqual(await get(endpoint, id, '/dev/hello'), { status: 200, text: '{"hello":"again"}' });
      assert.equal((await get(endpoint, id, '/dev/notes')).status, 401);
    });
    await step(`${title}: the changed function runs its new code and environment`, async () => {
      await sls('invoke', '-f', 'me', '-d', '{"requestContext":{"authorizer":{"principalId":"p"}}}');
      assert.match(await sls('logs', '-f', 'me'), /me, second edition/);
      const { Environment } = await clients.functions.getFunctionConfiguration({ FunctionName: 'notes-dev-me' });
      assert.equal(Environment.Variables.EDITION, 'second');
    });
    await step(`${title}: deploy function`, async () => {
      writeFileSync(path.join(app, 'handlers/hello.js'), "exports.handler = async () => ({ statusCode: 200, body: 'third' });\n");
      await sls('deploy', 'function', '-f', 'hello');
      const [{ id }] = (await clients.api.getRestApis({})).items;
      assert.deepEqual(await get(endpoint, id, '/dev/hello'), { status: 200, text: 'third' });
    });
    if (refuse) await refusedRemoval(title, sls, clients);
    else await step(`${title}: remove`, async () => assert.match(await sls('remove'), /Service notes has been successfully removed/));
    await step(`${title}: nothing is left`, async () => assert.deepEqual(await everything(clients), before));
  } finally {
    const log = await stop();
    await step(`${title}: moln logged no error of its own`, () => {
      const lines = log.split('\n').filter((line) => /level=ERROR|panic/.test(line));
      assert.deepEqual(lines, []);
    });
  }
}

const cases = {
  osls: { name: 'osls' },
  serverless: { name: 'serverless', refuse: true },
  'nodejs6.10': { name: 'serverless', runtime: 'nodejs6.10' },
};
const wanted = process.argv.slice(2);
try {
  for (const [name, life] of Object.entries(cases)) {
    if (wanted.length === 0 || wanted.includes(name)) await lifecycle(life);
  }
} finally {
  for (const child of started) child.kill();
  rmSync(work, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
