// Builds the page and puts it into the site bucket of a deployed stack, with a
// config.js made from the stack's outputs. Prints the site's address.
//
//   node scripts/publish.mjs [stage]
import { readFile } from 'node:fs/promises';
import { CloudFormation } from '@aws-sdk/client-cloudformation';
import { S3 } from '@aws-sdk/client-s3';
import { build } from 'esbuild';

const stage = process.argv[2] ?? 'dev';
const region = process.env.AWS_REGION ?? 'us-east-1';
const endpoint = process.env.AWS_ENDPOINT_URL; // unset: AWS itself

const { Stacks } = await new CloudFormation({ region }).describeStacks({ StackName: `notes-${stage}` });
const outputs = Object.fromEntries(Stacks[0].Outputs.map((o) => [o.OutputKey, o.OutputValue]));

// Where a browser finds the data planes: AWS's host names, or the same names
// below localhost on the endpoint's port.
const port = endpoint && new URL(endpoint).port;
const api = endpoint
  ? `http://${outputs.RestApiId}.execute-api.localhost:${port}/${stage}`
  : `https://${outputs.RestApiId}.execute-api.${region}.amazonaws.com/${stage}`;
const site = endpoint
  ? `http://${outputs.SiteBucketName}.s3-website.localhost:${port}/`
  : `http://${outputs.SiteBucketName}.s3-website-${region}.amazonaws.com/`;

const config = {
  region,
  api,
  endpoint,
  cognitoEndpoint: endpoint && `${endpoint}/`,
  userPoolId: outputs.UserPoolId,
  clientId: outputs.UserPoolClientId,
  identityPoolId: outputs.IdentityPoolId,
  uploads: outputs.UploadsBucket,
};

const bundle = await build({
  entryPoints: ['site/app.js'],
  bundle: true,
  minify: true,
  write: false,
  format: 'iife',
  target: 'es2022',
  define: { global: 'globalThis' },
});
const files = [
  ['index.html', await readFile('site/index.html'), 'text/html; charset=utf-8'],
  ['error.html', await readFile('site/error.html'), 'text/html; charset=utf-8'],
  ['style.css', await readFile('site/style.css'), 'text/css'],
  ['app.js', bundle.outputFiles[0].contents, 'text/javascript'],
  ['config.js', `window.NOTES_CONFIG = ${JSON.stringify(config, null, 2)};\n`, 'text/javascript'],
];
const s3 = new S3({ region });
for (const [Key, Body, ContentType] of files) {
  await s3.putObject({ Bucket: outputs.SiteBucketName, Key, Body, ContentType });
}
console.log(site);
