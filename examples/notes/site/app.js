// The page: Cognito for who, API Gateway for notes, S3 for files. config.js,
// written when the site is published, says where they are.
import { AuthenticationDetails, CognitoUser, CognitoUserAttribute, CognitoUserPool } from 'amazon-cognito-identity-js';
import { CognitoIdentity } from '@aws-sdk/client-cognito-identity';
import { S3 } from '@aws-sdk/client-s3';

const config = window.NOTES_CONFIG;
const pool = new CognitoUserPool({ UserPoolId: config.userPoolId, ClientId: config.clientId, endpoint: config.cognitoEndpoint });
const $ = (id) => document.getElementById(id);
let session;
let files; // { s3, identityId } once signed in

function say(text, bad = false) {
  $('status').textContent = text;
  $('status').classList.toggle('bad', bad);
}

// on runs a form's action and reports what came of it.
function on(form, action) {
  $(form).addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      say('…');
      await action(new FormData(event.target), event.target);
    } catch (err) {
      say(`${err.name || 'Error'}: ${err.message}`, true);
    }
  });
}

const promise = (start) => new Promise((resolve, reject) => start((err, value) => (err ? reject(err) : resolve(value))));
const userOf = (email) => new CognitoUser({ Username: email, Pool: pool });

on('sign-up', async (form) => {
  const email = form.get('email');
  await promise((done) => pool.signUp(email, form.get('password'), [new CognitoUserAttribute({ Name: 'email', Value: email })], null, done));
  say('A code is on its way to your mailbox.');
});

on('confirm', async (form) => {
  await promise((done) => userOf(form.get('email')).confirmRegistration(form.get('code'), true, done));
  say('Confirmed. You can sign in now.');
});

on('sign-in', async (form) => {
  const user = userOf(form.get('email'));
  const details = new AuthenticationDetails({ Username: form.get('email'), Password: form.get('password') });
  session = await new Promise((resolve, reject) => user.authenticateUser(details, { onSuccess: resolve, onFailure: reject }));
  await enter();
});

on('new-note', async (form, element) => {
  await call('POST', '/notes', { title: form.get('title'), body: form.get('body') || undefined });
  element.reset();
  await showNotes();
  say('Added.');
});

on('upload', async (form, element) => {
  const file = form.get('file');
  const Body = new Uint8Array(await file.arrayBuffer());
  await files.s3.putObject({ Bucket: config.uploads, Key: `private/${files.identityId}/${file.name}`, Body, ContentType: file.type });
  element.reset();
  say('Uploaded.');
  await showUploads(file.name);
});

$('sign-out').addEventListener('click', () => {
  pool.getCurrentUser()?.signOut();
  session = files = undefined;
  enter();
  say('Signed out.');
});

async function call(method, path, body) {
  const response = await fetch(config.api + path, {
    method,
    headers: { Authorization: session.getIdToken().getJwtToken(), ...(body && { 'Content-Type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.status === 204 ? undefined : response.json();
}

async function showNotes() {
  const notes = await call('GET', '/notes');
  $('notes').replaceChildren(...notes.map(noteItem));
}

function noteItem(note) {
  const item = document.createElement('li');
  const image = document.createElement('img');
  image.alt = '';
  picture(note.id).then((url) => (image.src = url));
  const text = document.createElement('div');
  const title = document.createElement('strong');
  title.textContent = note.title;
  text.append(title, document.createElement('br'), note.body ?? '');
  item.append(image, text, button('Rename', async () => {
    const next = `${note.title} (edited)`;
    await call('PUT', `/notes/${note.id}`, { title: next, body: note.body });
    await showNotes();
    say('Renamed.');
  }), button('Delete', async () => {
    await call('DELETE', `/notes/${note.id}`);
    await showNotes();
    say('Deleted.');
  }));
  return item;
}

function button(text, action) {
  const element = document.createElement('button');
  element.textContent = text;
  element.addEventListener('click', () => action().catch((err) => say(err.message, true)));
  return element;
}

async function picture(id) {
  const response = await fetch(`${config.api}/notes/${id}/image`, {
    headers: { Authorization: session.getIdToken().getJwtToken(), Accept: 'image/png' },
  });
  return URL.createObjectURL(await response.blob());
}

// showUploads waits until the function that S3 calls has noted the new file.
async function showUploads(expected) {
  for (let tries = 0; tries < 40; tries++) {
    const found = await call('GET', `/uploads/${encodeURIComponent(files.identityId)}`);
    $('uploads').replaceChildren(...found.map((upload) => {
      const item = document.createElement('li');
      item.textContent = `${upload.id.split('/').pop()}, ${upload.size} bytes, noted by ${upload.event}`;
      return item;
    }));
    if (!expected || found.some((upload) => upload.id.endsWith(`/${expected}`))) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function enter() {
  const signedIn = Boolean(session);
  $('signed-in').hidden = $('sign-out').hidden = !signedIn;
  $('signed-out').hidden = signedIn;
  $('who').textContent = signedIn ? session.getIdToken().payload.email : '';
  if (!signedIn) return;
  files = await openFiles();
  await Promise.all([showNotes(), showUploads()]);
  say('Signed in.');
}

// openFiles trades the ID token for temporary AWS credentials.
async function openFiles() {
  const identity = new CognitoIdentity({ region: config.region, endpoint: config.endpoint });
  const Logins = { [`cognito-idp.${config.region}.amazonaws.com/${config.userPoolId}`]: session.getIdToken().getJwtToken() };
  const { IdentityId } = await identity.getId({ IdentityPoolId: config.identityPoolId, Logins });
  const { Credentials } = await identity.getCredentialsForIdentity({ IdentityId, Logins });
  const credentials = { accessKeyId: Credentials.AccessKeyId, secretAccessKey: Credentials.SecretKey, sessionToken: Credentials.SessionToken };
  const s3 = new S3({ region: config.region, endpoint: config.endpoint, forcePathStyle: Boolean(config.endpoint), credentials });
  window.notesFiles = { s3, identityId: IdentityId }; // for the curious, and the tests
  return window.notesFiles;
}

pool.getCurrentUser()?.getSession((err, found) => {
  if (!err && found?.isValid()) {
    session = found;
    enter().catch((e) => say(e.message, true));
  }
});
