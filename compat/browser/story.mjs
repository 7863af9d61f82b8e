// The whole story of examples/notes in a real Chromium: sign up, confirm, sign in,
// notes with pictures, files, sign out; then what the page does not show, asked
// from Node.
//
//   SITE=$(examples/notes/demo.sh) ENDPOINT=http://127.0.0.1:4566 node story.mjs
//
// SHOTS names a directory for screenshots, CHROMIUM the browser.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { chromium } from 'playwright-core';

const SITE = process.env.SITE ?? process.argv[2];
const ENDPOINT = (process.env.ENDPOINT ?? 'http://127.0.0.1:4566').replace(/\/$/, '');
const SHOTS = process.env.SHOTS ?? mkdtempSync(path.join(tmpdir(), 'notes-shots-'));
if (!SITE) throw new Error('SITE is not set: the address that demo.sh prints');
mkdirSync(SHOTS, { recursive: true });

const STEP_MILLIS = 15_000; // a cold start on a busy machine included
const MAIL_MILLIS = 10_000;
const PASSWORD = 'correct-horse-7';
const run = Date.now().toString(36);
const alice = `alice+${run}@example.com`;
const bob = `bob+${run}@example.com`;

let passed = 0;
let failed = 0;
const pages = []; // the newest first

// step reports one claim. The story goes on after a failure, so that one run
// tells all that is wrong; what depends on it fails in turn.
async function step(name, check) {
  const began = Date.now();
  try {
    await check();
    passed++;
    console.log(`ok   ${name} (${Date.now() - began} ms)`);
  } catch (err) {
    failed++;
    console.log(`FAIL ${name}\n     ${String(err.message ?? err).replace(/\n/g, '\n     ')}`);
    if (pages[0]) await shot(pages[0], `fail-${failed}`).catch(() => {});
  }
}

let shots = 0;
async function shot(page, name) {
  shots++;
  await page.screenshot({ path: path.join(SHOTS, `${String(shots).padStart(2, '0')}-${name}.png`), fullPage: true });
}

// until asks again and again, for answers that come in their own time.
async function until(what, millis, ask) {
  const end = Date.now() + millis;
  for (;;) {
    const found = await ask();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${millis} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

// ask sends one request to the endpoint under another host name, so that the
// machine's resolver need not know names below localhost.
function ask(url, { method = 'GET', headers = {}, body } = {}) {
  const target = new URL(url);
  const { hostname, port } = new URL(ENDPOINT);
  return new Promise((resolve, reject) => {
    const request = http.request(
      { hostname, port, method, path: target.pathname + target.search, headers: { ...headers, host: target.host } },
      (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('end', () => {
          const bytes = Buffer.concat(parts);
          resolve({ status: response.statusCode, headers: response.headers, bytes, text: bytes.toString() });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

async function codeFor(email) {
  const url = `${ENDPOINT}/_moln/mailbox.json?to=${encodeURIComponent(email)}`;
  return until(`a code for ${email}`, MAIL_MILLIS, async () => {
    const { Messages } = await (await fetch(url)).json();
    const [message] = (Messages ?? []).sort((a, b) => b.Number - a.Number); // the newest
    return `${message?.Text} ${message?.HTML}`.match(/\b\d{6}\b/)?.[0];
  });
}

async function status(page, text) {
  const line = page.locator('#status');
  await until(`the page says "${text}"`, STEP_MILLIS, async () => {
    const now = await line.textContent();
    if (await line.evaluate((e) => e.classList.contains('bad'))) throw new Error(`the page says: ${now}`);
    return now === text;
  });
}

async function fill(page, form, values) {
  for (const [name, value] of Object.entries(values)) {
    await page.fill(`#${form} [name=${name}]`, value);
  }
  await page.click(`#${form} button`);
}

const notes = (page) => page.locator('#notes li');
const titles = (page) => page.locator('#notes li strong').allTextContents();

// pictures waits until each note's picture is drawn.
async function pictures(page) {
  await until('every picture has a size', STEP_MILLIS, () =>
    page.locator('#notes img').evaluateAll((all) => all.length > 0 && all.every((image) => image.complete && image.naturalWidth > 0)));
}

async function enter(page, email) {
  await fill(page, 'sign-up', { email, password: PASSWORD });
  await status(page, 'A code is on its way to your mailbox.');
  await fill(page, 'confirm', { email, code: await codeFor(email) });
  await status(page, 'Confirmed. You can sign in now.');
  await fill(page, 'sign-in', { email, password: PASSWORD });
  await status(page, 'Signed in.');
}

const idToken = (page) =>
  page.evaluate(() => localStorage.getItem(Object.keys(localStorage).find((key) => key.endsWith('.idToken'))));

// bucketOf is the S3 client that the page's own credentials make.
async function bucketOf(page) {
  const { credentials, identityId } = await page.evaluate(async () => {
    const { accessKeyId, secretAccessKey, sessionToken } = await window.notesFiles.s3.config.credentials();
    return { credentials: { accessKeyId, secretAccessKey, sessionToken }, identityId: window.notesFiles.identityId };
  });
  return { identityId, s3: new S3Client({ region: 'us-east-1', endpoint: ENDPOINT, forcePathStyle: true, credentials }) };
}

const profile = mkdtempSync(path.join(tmpdir(), 'notes-chromium-'));
async function open(name) {
  const context = await chromium.launchPersistentContext(path.join(profile, name), {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    viewport: { width: 1100, height: 760 },
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(STEP_MILLIS);
  const troubles = [];
  page.on('pageerror', (err) => troubles.push(String(err)));
  page.on('console', (message) => message.type() === 'error' && troubles.push(message.text()));
  page.on('requestfailed', (request) => troubles.push(`${request.method()} ${request.url()}: ${request.failure()?.errorText}`));
  pages.unshift(page);
  return { context, page, troubles };
}

async function firstUser({ page, troubles }) {
  await step('the site loads', async () => {
    const answer = await page.goto(SITE);
    assert.equal(answer.status(), 200);
    assert.equal(await page.title(), 'Notes');
    await page.waitForSelector('#sign-up');
    assert.equal(await page.locator('#signed-in').isVisible(), false);
    await shot(page, 'start');
  });
  await step('a weak password is refused with the pool\'s reason', async () => {
    await fill(page, 'sign-up', { email: alice, password: 'only-letters' });
    await until('the refusal', STEP_MILLIS, async () =>
      (await page.locator('#status.bad').count()) && /^InvalidPasswordException: Password did not conform with policy: Password must have numeric characters$/.test(await page.locator('#status').textContent()));
    troubles.length = 0; // Chromium logs the 400
  });
  await step('signs up', async () => {
    await fill(page, 'sign-up', { email: alice, password: PASSWORD });
    await status(page, 'A code is on its way to your mailbox.');
    await shot(page, 'signed-up');
  });
  await step('confirms with the code from the mailbox', async () => {
    await fill(page, 'confirm', { email: alice, code: await codeFor(alice) });
    await status(page, 'Confirmed. You can sign in now.');
    await shot(page, 'confirmed');
  });
  await step('signs in by SRP', async () => {
    await fill(page, 'sign-in', { email: alice, password: PASSWORD });
    await status(page, 'Signed in.');
    assert.equal(await page.locator('#who').textContent(), alice);
    assert.equal(await page.locator('#signed-out').isVisible(), false);
  });
  await step('finds the note that the PostConfirmation function left', async () => {
    assert.deepEqual(await titles(page), ['Welcome']);
    assert.match(await notes(page).first().textContent(), new RegExp(`This account belongs to ${alice.replace('+', '\\+')}\\.`));
    await pictures(page);
    await shot(page, 'signed-in');
  });
  await step('adds two notes with pictures', async () => {
    for (const title of ['Bread & butter', 'Zweite Notiz – ünïcode ✓']) {
      await fill(page, 'new-note', { title, body: `About ${title}` });
      await until(`the note ${title}`, STEP_MILLIS, async () => (await titles(page)).includes(title));
    }
    await status(page, 'Added.');
    assert.equal(await notes(page).count(), 3);
    await pictures(page);
    await shot(page, 'notes');
  });
  await step('renames a note', async () => {
    await notes(page).filter({ hasText: 'Bread & butter' }).getByText('Rename').click();
    await status(page, 'Renamed.');
    assert.ok((await titles(page)).includes('Bread & butter (edited)'));
    await pictures(page);
    await shot(page, 'renamed');
  });
  await step('deletes a note', async () => {
    await notes(page).filter({ hasText: 'Zweite Notiz' }).getByText('Delete').click();
    await status(page, 'Deleted.');
    assert.deepEqual((await titles(page)).sort(), ['Bread & butter (edited)', 'Welcome']);
    await pictures(page);
    await shot(page, 'deleted');
  });
  await step('uploads a file, and the function that S3 calls notes it', async () => {
    const file = path.join(profile, 'holiday plan.txt');
    writeFileSync(file, 'sea, then mountains\n');
    await page.setInputFiles('#upload [name=file]', file);
    await page.click('#upload button');
    await until('the record of the upload', STEP_MILLIS, async () =>
      (await page.locator('#uploads li').allTextContents()).includes('holiday plan.txt, 20 bytes, noted by ObjectCreated:Put'));
    await shot(page, 'uploaded');
  });
  await step('stays signed in over a reload', async () => {
    await page.reload();
    await status(page, 'Signed in.');
    await pictures(page);
    assert.equal(await page.locator('#uploads li').count(), 1);
  });
  await step('reads its own upload with the identity\'s credentials', async () => {
    const { s3, identityId } = await bucketOf(page);
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: await uploadsOf(page), Key: `private/${identityId}/holiday plan.txt` }));
    assert.equal(await Body.transformToString(), 'sea, then mountains\n');
  });
  await step('the browser met no error', () => assert.deepEqual(troubles, []));
}

const uploadsOf = (page) => page.evaluate(() => window.NOTES_CONFIG.uploads);

// behind is what the page never shows: refusals and raw answers.
async function behind(page, token) {
  const api = await page.evaluate(() => window.NOTES_CONFIG.api);
  const json = { 'content-type': 'application/json' };
  await step('no token: 401', async () => {
    const answer = await ask(`${api}/notes`);
    assert.equal(answer.status, 401);
    assert.deepEqual(JSON.parse(answer.text), { message: 'Unauthorized' });
    assert.equal(answer.headers['x-amzn-errortype'], 'UnauthorizedException');
  });
  await step('a broken token: 401', async () => {
    const answer = await ask(`${api}/notes`, { headers: { authorization: broken(token) } });
    assert.equal(answer.status, 401);
  });
  for (const [name, body] of [
    ['without its required title', { body: 'x' }],
    ['with a property too many', { title: 'x', colour: 'red' }],
    ['with a number for a title', { title: 7 }],
    ['with a title too long', { title: 'x'.repeat(121) }],
  ]) {
    await step(`a body ${name}: 400`, async () => {
      const answer = await ask(`${api}/notes`, { method: 'POST', headers: { ...json, authorization: token }, body: JSON.stringify(body) });
      assert.equal(answer.status, 400);
      assert.deepEqual(JSON.parse(answer.text), { message: 'Invalid request body' });
      assert.equal(answer.headers['x-amzn-errortype'], 'BadRequestException');
    });
  }
  await step('a note that is not there: the function\'s 404', async () => {
    const answer = await ask(`${api}/notes/none`, { headers: { authorization: token } });
    assert.equal(answer.status, 404);
    assert.deepEqual(JSON.parse(answer.text), { message: 'No such note' });
  });
  await step('a path that is not there: 403 Missing Authentication Token', async () => {
    const answer = await ask(`${api}/nothing`, { headers: { authorization: token } });
    assert.equal(answer.status, 403);
    assert.equal(answer.headers['x-amzn-errortype'], 'MissingAuthenticationTokenException');
  });
  await step('a preflight is answered without a function', async () => {
    const answer = await ask(`${api}/notes`, { method: 'OPTIONS', headers: { origin: SITE, 'access-control-request-method': 'POST' } });
    assert.ok([200, 204].includes(answer.status), String(answer.status));
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    assert.match(answer.headers['access-control-allow-methods'], /POST/);
    assert.match(answer.headers['access-control-allow-headers'], /Authorization/);
  });
  await step('a picture comes as PNG bytes', async () => {
    const answer = await ask(`${api}/notes/x/image`, { headers: { authorization: token, accept: 'image/png' } });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'image/png');
    assert.equal(answer.bytes.subarray(0, 8).toString('hex'), '89504e470d0a1a0a');
    assert.equal(answer.bytes.subarray(-8).toString('hex'), '49454e44ae426082');
  });
  await step('what the function\'s role does not allow is denied, by name', async () => {
    const answer = await ask(`${api}/diagnostics`, { headers: { authorization: token } });
    assert.equal(answer.status, 200, answer.text);
    const { denied, name, message } = JSON.parse(answer.text);
    assert.deepEqual({ denied, name }, { denied: true, name: 'AccessDeniedException' });
    assert.match(message, /is not authorized to perform: dynamodb:DescribeTable on resource: arn:aws:dynamodb:/);
  });
  await step('the custom authorizer lets the ID token in', async () => {
    for (const attempt of ['fresh', 'from the cache']) {
      const answer = await ask(`${api}/me`, { headers: { authorization: `Bearer ${token}` } });
      assert.equal(answer.status, 200, `${attempt}: ${answer.text}`);
      const { sub, email } = JSON.parse(answer.text);
      assert.equal(email, alice);
      assert.equal(sub, JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).sub);
    }
  });
  await step('the custom authorizer refuses a broken token: 401', async () => {
    for (const bad of [`Bearer ${broken(token)}`, 'nonsense', undefined]) {
      const answer = await ask(`${api}/me`, { headers: bad ? { authorization: bad } : {} });
      assert.equal(answer.status, 401, `${bad}: ${answer.status} ${answer.text}`);
      assert.deepEqual(JSON.parse(answer.text), { message: 'Unauthorized' });
    }
  });
  await step('the site has an error page; nobody learns which pages are missing', async () => {
    const answer = await ask(new URL('no/such/page', SITE));
    assert.equal(answer.status, 403); // S3 says 404 only to who may list the bucket
    assert.match(answer.text, /There is no such page/);
  });
}

// broken changes one character in the middle of the signature.
function broken(token) {
  const at = token.lastIndexOf('.') + 20;
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
}

async function secondUser(first, second) {
  const { page } = second;
  await step('a second user signs up and sees only his own welcome', async () => {
    await page.goto(SITE);
    await enter(page, bob);
    assert.deepEqual(await titles(page), ['Welcome']);
    assert.equal(await page.locator('#uploads li').count(), 0);
    await shot(page, 'second-user');
  });
  await step('and cannot read, overwrite or list the first one\'s upload', async () => {
    const owner = await bucketOf(first.page);
    const other = await bucketOf(page);
    assert.notEqual(owner.identityId, other.identityId);
    const Bucket = await uploadsOf(page);
    const Key = `private/${owner.identityId}/holiday plan.txt`;
    for (const command of [
      new GetObjectCommand({ Bucket, Key }),
      new PutObjectCommand({ Bucket, Key, Body: 'mine now' }),
      new ListObjectsV2Command({ Bucket }),
    ]) {
      const err = await other.s3.send(command).then(() => undefined, (e) => e);
      assert.equal(err?.name, 'AccessDenied', `${command.constructor.name}: ${err}`);
      assert.equal(err.$metadata.httpStatusCode, 403);
    }
    await other.s3.send(new PutObjectCommand({ Bucket, Key: `private/${other.identityId}/own.txt`, Body: 'mine' }));
    const { Body } = await owner.s3.send(new GetObjectCommand({ Bucket, Key }));
    assert.equal(await Body.transformToString(), 'sea, then mountains\n');
  });
}

const first = await open('first');
try {
  await firstUser(first);
  const token = await idToken(first.page).catch(() => undefined);
  if (token) {
    await behind(first.page, token);
    const second = await open('second');
    await secondUser(first, second);
    await second.context.close();
    pages.shift();
  } else {
    failed++;
    console.log('FAIL nobody is signed in: the rest of the story cannot be told');
  }
  await step('signs out', async () => {
    await first.page.click('#sign-out');
    await status(first.page, 'Signed out.');
    assert.equal(await first.page.locator('#signed-in').isVisible(), false);
    assert.equal(await idToken(first.page), null);
    await shot(first.page, 'signed-out');
  });
  await step('a wrong password is refused', async () => {
    await fill(first.page, 'sign-in', { email: alice, password: 'wrong-horse-7' });
    await until('the refusal', STEP_MILLIS, async () =>
      (await first.page.locator('#status').textContent()) === 'NotAuthorizedException: Incorrect username or password.');
    await shot(first.page, 'wrong-password');
  });
} finally {
  await first.context.close();
  rmSync(profile, { recursive: true, force: true });
}
console.log(`screenshots in ${SHOTS}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
