// Reads one item from DynamoDB through moln, with nothing but Node: signs the
// request and keeps the connection.
const http = require('node:http');
const { createHash, createHmac } = require('node:crypto');

const env = process.env;
const endpoint = new URL(env.AWS_ENDPOINT_URL);
const agent = new http.Agent({ keepAlive: true });
const hmac = (key, text) => createHmac('sha256', key).update(text).digest();
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const signed = 'host;x-amz-date;x-amz-security-token;x-amz-target';
let keyDay, key;

function sign(headers, body, time) {
  const day = time.slice(0, 8);
  if (day !== keyDay) {
    key = [day, env.AWS_REGION, 'dynamodb', 'aws4_request'].reduce(hmac, 'AWS4' + env.AWS_SECRET_ACCESS_KEY);
    keyDay = day;
  }
  const scope = `${day}/${env.AWS_REGION}/dynamodb/aws4_request`;
  const lines = signed.split(';').map((name) => `${name}:${headers[name]}\n`).join('');
  const canonical = `POST\n/\n\n${lines}\n${signed}\n${sha256(body)}`;
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`).toString('hex');
  return `AWS4-HMAC-SHA256 Credential=${env.AWS_ACCESS_KEY_ID}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
}

function dynamo(operation, input) {
  const body = JSON.stringify(input);
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const headers = {
    host: endpoint.host, 'x-amz-date': time, 'x-amz-security-token': env.AWS_SESSION_TOKEN,
    'x-amz-target': 'DynamoDB_20120810.' + operation, 'content-type': 'application/x-amz-json-1.0',
    'content-length': Buffer.byteLength(body),
  };
  headers.authorization = sign(headers, body, time);
  return new Promise((resolve, reject) => {
    const req = http.request({ host: endpoint.hostname, port: endpoint.port, method: 'POST', path: '/', headers, agent }, (res) => {
      const parts = [];
      res.on('data', (part) => parts.push(part));
      res.on('end', () => {
        const text = Buffer.concat(parts).toString();
        if (res.statusCode === 200) resolve(JSON.parse(text));
        else reject(new Error(`${operation}: ${res.statusCode} ${text}`));
      });
    });
    req.on('error', reject);
    req.end(body);
  });
}

exports.handler = async (event) => {
  const { Item } = await dynamo('GetItem', { TableName: 'bench', Key: { pk: { S: event.pathParameters.key } } });
  if (!Item) return { statusCode: 404, body: 'no such key' };
  return { statusCode: 200, headers: { 'content-type': 'text/plain' }, body: Item.data.S };
};
