// A TOKEN authorizer: it checks an ID token's signature against the user pool's
// key set, fetched from the issuer as the token's claims say it must be.
'use strict';
const crypto = require('node:crypto');
const https = require('node:https');

const region = process.env.AWS_REGION;
const issuer = `https://cognito-idp.${region}.amazonaws.com/${process.env.USER_POOL_ID}`;
let keys; // kept while the environment lives

function fetchJSON(url) {
  return new Promise((resolve, reject) => {
    https
      .get(url, (res) => {
        const parts = [];
        res.on('data', (part) => parts.push(part));
        res.on('end', () => {
          if (res.statusCode !== 200) return reject(new Error(`${url} answered ${res.statusCode}`));
          resolve(JSON.parse(Buffer.concat(parts).toString()));
        });
      })
      .on('error', reject);
  });
}

const decode = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());

async function verify(token) {
  const [head, body, signature] = token.split('.');
  const { kid, alg } = decode(head);
  keys ??= (await fetchJSON(`${issuer}/.well-known/jwks.json`)).keys;
  const jwk = keys.find((key) => key.kid === kid);
  if (!jwk || alg !== 'RS256') throw new Error('unknown key');
  const key = crypto.createPublicKey({ key: jwk, format: 'jwk' });
  if (!crypto.verify('sha256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url'))) {
    throw new Error('bad signature');
  }
  const claims = decode(body);
  if (claims.iss !== issuer || claims.aud !== process.env.CLIENT_ID) throw new Error('not for this application');
  if (claims.token_use !== 'id' || claims.exp * 1000 < Date.now()) throw new Error('not a valid ID token');
  return claims;
}

exports.handler = (event, context, callback) => {
  const token = event.authorizationToken.replace(/^Bearer /, '');
  verify(token).then(
    (claims) => {
      callback(null, {
        principalId: claims.sub,
        policyDocument: {
          Version: '2012-10-17',
          Statement: [{ Action: 'execute-api:Invoke', Effect: 'Allow', Resource: event.methodArn }],
        },
        context: { email: claims.email },
      });
    },
    (err) => {
      console.log('refused:', err.message);
      callback('Unauthorized');
    },
  );
};
