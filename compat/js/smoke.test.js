'use strict'

// A smoke of every service with AWS SDK for JavaScript v3, and of Cognito with
// the client library that browsers use.

const assert = require('node:assert/strict')
const crypto = require('node:crypto')
const http = require('node:http')
const { test } = require('node:test')
const AdmZip = require('adm-zip')

const endpoint = process.env.AWS_ENDPOINT_URL
const region = 'us-east-1'
const account = '000000000000'
const password = 'Correct-Horse-9'
const patience = 30_000

const unique = prefix => `${prefix}-${crypto.randomBytes(5).toString('hex')}`

/** A client of an SDK package, with the root key or with credentials. */
function client (name, type, credentials) {
  const sdk = require('@aws-sdk/client-' + name)
  return [new sdk[type]({ region, maxAttempts: 1, ...(credentials && { credentials }) }), sdk]
}

/** Wants a promise to fail with an AWS error of that name and status. */
async function refused (name, status, promise) {
  try {
    await promise
  } catch (error) {
    assert.deepEqual([error.name, error.$metadata?.httpStatusCode], [name, status], error.message)
    return error
  }
  assert.fail(`it succeeded; want ${name}`)
}

/** Waits until look gives something true. */
async function until (look, what) {
  const end = Date.now() + patience
  for (;;) {
    const value = await look()
    if (value) return value
    if (Date.now() > end) assert.fail(`still not: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** A plain request under a host name of AWS's, which fetch does not allow. */
function get (path, host, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(endpoint + path, { method, headers: { ...headers, host } }, response => {
      const chunks = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() }))
    })
    request.on('error', reject)
    request.end(body)
  })
}

const allow = (action, resource = '*', more = {}) => JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: action, Resource: resource, ...more }] })
const trust = principal => JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: principal }] })

async function bucket () {
  const [s3, sdk] = client('s3', 'S3')
  const Bucket = unique('bucket')
  await s3.createBucket({ Bucket })
  return { s3, sdk, Bucket }
}

test('s3 objects', async () => {
  const { s3, Bucket } = await bucket()
  const Key = 'a b/ü+c.txt'
  const put = await s3.putObject({ Bucket, Key, Body: 'hello, moln', ContentType: 'text/plain', Metadata: { who: 'ada' } })
  assert.equal(put.ChecksumCRC32, (await s3.headObject({ Bucket, Key, ChecksumMode: 'ENABLED' })).ChecksumCRC32)
  const got = await s3.getObject({ Bucket, Key })
  assert.deepEqual([await got.Body.transformToString(), got.ContentType, got.Metadata], ['hello, moln', 'text/plain', { who: 'ada' }])
  const listed = await s3.listObjectsV2({ Bucket, Delimiter: '/' })
  assert.deepEqual(listed.CommonPrefixes, [{ Prefix: 'a b/' }])
  await refused('NoSuchKey', 404, s3.getObject({ Bucket, Key: 'none' }))
  await refused('NotFound', 404, s3.headObject({ Bucket, Key: 'none' }))
  await s3.deleteObjects({ Bucket, Delete: { Objects: [{ Key }] } })
  await s3.deleteBucket({ Bucket })
  await refused('NoSuchBucket', 404, s3.listObjectsV2({ Bucket }))
})

test('s3 upload of a stream in parts', async () => {
  const { Upload } = require('@aws-sdk/lib-storage')
  const { Readable } = require('node:stream')
  const { s3, Bucket } = await bucket()
  const body = crypto.randomBytes(11 << 20)
  const pieces = function * () { for (let i = 0; i < body.length; i += 65536) yield body.subarray(i, i + 65536) }
  await new Upload({ client: s3, params: { Bucket, Key: 'big', Body: Readable.from(pieces()) }, partSize: 5 << 20 }).done()
  const got = await s3.getObject({ Bucket, Key: 'big' })
  assert.ok(Buffer.from(await got.Body.transformToByteArray()).equals(body))
  assert.match(got.ETag, /-3"$/)
})

test('s3 versions', async () => {
  const { s3, Bucket } = await bucket()
  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } })
  const { VersionId } = await s3.putObject({ Bucket, Key: 'k', Body: '1' })
  await s3.putObject({ Bucket, Key: 'k', Body: '2' })
  assert.equal(await (await s3.getObject({ Bucket, Key: 'k', VersionId })).Body.transformToString(), '1')
  assert.equal((await s3.listObjectVersions({ Bucket })).Versions.length, 2)
})

test('s3 presigned links', async () => {
  const { getSignedUrl } = require('@aws-sdk/s3-request-presigner')
  const { s3, sdk, Bucket } = await bucket()
  const put = await fetch(await getSignedUrl(s3, new sdk.PutObjectCommand({ Bucket, Key: 'k' }), { expiresIn: 60 }), { method: 'PUT', body: 'by link' })
  assert.equal(put.status, 200, await put.text())
  const link = await getSignedUrl(s3, new sdk.GetObjectCommand({ Bucket, Key: 'k' }), { expiresIn: 60 })
  assert.equal(await (await fetch(link)).text(), 'by link')
  assert.equal((await fetch(link.replace('X-Amz-Expires=60', 'X-Amz-Expires=600'))).status, 403)
})

test('s3 policy and website', async () => {
  const { s3, Bucket } = await bucket()
  await s3.putObject({ Bucket, Key: 'index.html', Body: 'home', ContentType: 'text/html' })
  await s3.putBucketWebsite({ Bucket, WebsiteConfiguration: { IndexDocument: { Suffix: 'index.html' } } })
  const policy = allow('s3:GetObject', `arn:aws:s3:::${Bucket}/*`, { Principal: '*' })
  await refused('AccessDenied', 403, s3.putBucketPolicy({ Bucket, Policy: policy }))
  await s3.deletePublicAccessBlock({ Bucket })
  await s3.putBucketPolicy({ Bucket, Policy: policy })
  const home = await get('/', `${Bucket}.s3-website-${region}.amazonaws.com`)
  assert.deepEqual([home.status, home.text], [200, 'home'])
})

async function table () {
  const [ddb, sdk] = client('dynamodb', 'DynamoDB')
  const TableName = unique('table')
  await ddb.createTable({ TableName, BillingMode: 'PAY_PER_REQUEST', AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }, { AttributeName: 'sk', AttributeType: 'N' }], KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }, { AttributeName: 'sk', KeyType: 'RANGE' }] })
  await sdk.waitUntilTableExists({ client: ddb, maxWaitTime: 30, minDelay: 1 }, { TableName })
  return { ddb, TableName, doc: require('@aws-sdk/lib-dynamodb').DynamoDBDocument.from(ddb) }
}

test('dynamodb items', async () => {
  const { doc, TableName } = await table()
  const Item = { pk: 'a', sk: 1, many: [1, 'x', null, true], tree: { deep: { n: 1.25 } }, bytes: new Uint8Array([0, 255]), set: new Set(['p', 'q']) }
  await doc.put({ TableName, Item, ConditionExpression: 'attribute_not_exists(pk)' })
  assert.deepEqual((await doc.get({ TableName, Key: { pk: 'a', sk: 1 } })).Item, Item)
  await refused('ConditionalCheckFailedException', 400, doc.put({ TableName, Item, ConditionExpression: 'attribute_not_exists(pk)' }))
  const { Attributes } = await doc.update({ TableName, Key: { pk: 'a', sk: 1 }, UpdateExpression: 'SET tree.deep.n = tree.deep.n + :d REMOVE many[0]', ExpressionAttributeValues: { ':d': 1 }, ReturnValues: 'UPDATED_NEW' })
  assert.equal(Attributes.tree.deep.n, 2.25)
  await doc.delete({ TableName, Key: { pk: 'a', sk: 1 } })
  assert.equal((await doc.get({ TableName, Key: { pk: 'a', sk: 1 } })).Item, undefined)
})

test('dynamodb query, scan and batches', async () => {
  const { doc, TableName } = await table()
  await doc.batchWrite({ RequestItems: { [TableName]: Array.from({ length: 20 }, (_, sk) => ({ PutRequest: { Item: { pk: 'p', sk } } })) } })
  const { Items } = await doc.query({ TableName, KeyConditionExpression: 'pk = :p AND sk BETWEEN :a AND :b', ExpressionAttributeValues: { ':p': 'p', ':a': 8, ':b': 11 }, ScanIndexForward: false })
  assert.deepEqual(Items.map(i => i.sk), [11, 10, 9, 8])
  assert.equal((await doc.scan({ TableName, FilterExpression: 'sk < :n', ExpressionAttributeValues: { ':n': 5 } })).Count, 5)
  const got = await doc.batchGet({ RequestItems: { [TableName]: { Keys: [{ pk: 'p', sk: 1 }, { pk: 'p', sk: 99 }] } } })
  assert.deepEqual(got.Responses[TableName], [{ pk: 'p', sk: 1 }])
  const error = await refused('TransactionCanceledException', 400, doc.transactWrite({ TransactItems: [{ Put: { TableName, Item: { pk: 'q', sk: 1 } } }, { Delete: { TableName, Key: { pk: 'p', sk: 1 }, ConditionExpression: 'attribute_exists(nothing)' } }] }))
  assert.deepEqual(error.CancellationReasons.map(r => r.Code), ['None', 'ConditionalCheckFailed'])
})

async function lambda (code) {
  const [iam] = client('iam', 'IAM')
  const RoleName = unique('role')
  const { Role } = await iam.createRole({ RoleName, AssumeRolePolicyDocument: trust({ Service: 'lambda.amazonaws.com' }) })
  await iam.putRolePolicy({ RoleName, PolicyName: 'logs', PolicyDocument: allow(['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents']) })
  const [lam, sdk] = client('lambda', 'Lambda')
  const zip = new AdmZip()
  zip.addFile('index.js', Buffer.from(code))
  const FunctionName = unique('function')
  await lam.createFunction({ FunctionName, Runtime: 'nodejs20.x', Handler: 'index.handler', Role: Role.Arn, Code: { ZipFile: zip.toBuffer() } })
  await sdk.waitUntilFunctionActiveV2({ client: lam, maxWaitTime: 30, minDelay: 1 }, { FunctionName })
  return { lam, sdk, FunctionName }
}

test('lambda', async () => {
  const { lam, FunctionName } = await lambda(`exports.handler = async event => {
    console.log('seen', event.name)
    if (event.fail) throw new TypeError('told to fail')
    return { hello: event.name }
  }`)
  const out = await lam.invoke({ FunctionName, Payload: JSON.stringify({ name: 'ada' }) })
  assert.deepEqual([out.StatusCode, out.FunctionError, JSON.parse(out.Payload.transformToString())], [200, undefined, { hello: 'ada' }])
  const failed = await lam.invoke({ FunctionName, Payload: JSON.stringify({ fail: true }) })
  const { errorType, errorMessage, trace } = JSON.parse(failed.Payload.transformToString())
  assert.deepEqual([failed.FunctionError, errorType, errorMessage, Array.isArray(trace)], ['Unhandled', 'TypeError', 'told to fail', true])
  await refused('ResourceNotFoundException', 404, lam.invoke({ FunctionName: unique('none') }))
  const [logs] = client('cloudwatch-logs', 'CloudWatchLogs')
  await until(async () => {
    try {
      return (await logs.filterLogEvents({ logGroupName: '/aws/lambda/' + FunctionName, filterPattern: '"seen ada"' })).events.length
    } catch (error) {
      if (error.name !== 'ResourceNotFoundException') throw error
    }
  }, 'the line in the log')
})

async function restAPI () {
  const [gw] = client('api-gateway', 'APIGateway')
  const { id: restApiId } = await gw.createRestApi({ name: unique('api') })
  const { items: [{ id: resourceId }] } = await gw.getResources({ restApiId })
  await gw.putMethod({ restApiId, resourceId, httpMethod: 'ANY', authorizationType: 'NONE' })
  return { gw, at: { restApiId, resourceId, httpMethod: 'ANY' }, restApiId, host: `${restApiId}.execute-api.${region}.amazonaws.com` }
}

test('lambda streams', async () => {
  const { lam, sdk, FunctionName } = await lambda(`exports.handler = awslambda.streamifyResponse(async (event, out) => {
    out.write('first ')
    await new Promise(resolve => setTimeout(resolve, 400))
    if (event.fail) throw new TypeError('told to fail')
    for (let i = 0; i < (event.megabytes || 0); i++) {
      if (!out.write(Buffer.alloc(1 << 20, 97))) await new Promise(resolve => out.once('drain', resolve))
    }
    out.end('last')
  })`)
  const ask = async event => {
    const { EventStream, ...out } = await lam.send(new sdk.InvokeWithResponseStreamCommand({ FunctionName, Payload: JSON.stringify(event), LogType: 'Tail' }))
    let text = ''
    let size = 0
    let end
    const times = []
    for await (const { PayloadChunk, InvokeComplete } of EventStream) {
      if (PayloadChunk) {
        times.push(Date.now())
        size += PayloadChunk.Payload.length
        text = (text + Buffer.from(PayloadChunk.Payload)).slice(-20)
      }
      if (InvokeComplete) end = InvokeComplete
    }
    return { out, text, size, end, spread: times.at(-1) - times[0] }
  }
  const good = await ask({})
  assert.deepEqual([good.text, good.out.StatusCode, good.out.ExecutedVersion, good.end.ErrorCode], ['first last', 200, '$LATEST', undefined])
  assert.ok(good.spread > 200, `the chunks came within ${good.spread} ms`)
  assert.match(Buffer.from(good.end.LogResult, 'base64').toString(), /REPORT RequestId/)
  const large = await ask({ megabytes: 20 })
  assert.equal(large.size, (20 << 20) + 'first last'.length)
  const bad = await ask({ fail: true })
  assert.deepEqual([bad.text, bad.end.ErrorCode, JSON.parse(bad.end.ErrorDetails).errorType], ['first ', 'Unhandled', 'TypeError'])
  await refused('ResourceNotFoundException', 404, lam.send(new sdk.InvokeWithResponseStreamCommand({ FunctionName: unique('none') })))
})

test('apigateway with a mock', async () => {
  const { gw, at, restApiId, host } = await restAPI()
  await gw.putIntegration({ ...at, type: 'MOCK', requestTemplates: { 'application/json': '{"statusCode": 200}' } })
  await gw.putMethodResponse({ ...at, statusCode: '200' })
  await gw.putIntegrationResponse({ ...at, statusCode: '200', responseTemplates: { 'application/json': '#set($n = 2 + 3){"sum": $n, "method": "$context.httpMethod"}' } })
  await gw.createDeployment({ restApiId, stageName: 'v1' })
  const answer = await get('/v1/', host)
  assert.deepEqual([answer.status, JSON.parse(answer.text)], [200, { sum: 5, method: 'GET' }])
  await refused('NotFoundException', 404, gw.getStage({ restApiId, stageName: 'none' }))
})

test('apigateway with a function', async () => {
  const { lam, FunctionName } = await lambda(`exports.handler = async event => ({
    statusCode: 418, headers: { 'x-who': 'moln' }, body: Buffer.from('got ' + event.body + ' ' + event.queryStringParameters.a).toString('base64'), isBase64Encoded: true
  })`)
  const { gw, at, restApiId, host } = await restAPI()
  const arn = `arn:aws:lambda:${region}:${account}:function:${FunctionName}`
  await gw.putIntegration({ ...at, type: 'AWS_PROXY', integrationHttpMethod: 'POST', uri: `arn:aws:apigateway:${region}:lambda:path/2015-03-31/functions/${arn}/invocations` })
  await gw.updateRestApi({ restApiId, patchOperations: [{ op: 'add', path: '/binaryMediaTypes/*~1*' }] })
  await lam.addPermission({ FunctionName, StatementId: 'gw', Action: 'lambda:InvokeFunction', Principal: 'apigateway.amazonaws.com' })
  await gw.createDeployment({ restApiId, stageName: 'v1' })
  const answer = await get('/v1/?a=1', host, { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' } })
  assert.deepEqual([answer.status, answer.headers['x-who'], answer.text], [418, 'moln', 'got eA== 1'])
})

/** A pool, its client, and a user who confirmed with the code from the mail. */
async function member () {
  const [idp] = client('cognito-identity-provider', 'CognitoIdentityProvider')
  const { UserPool: { Id: UserPoolId } } = await idp.createUserPool({ PoolName: unique('pool'), UsernameAttributes: ['email'], AutoVerifiedAttributes: ['email'] })
  const { UserPoolClient: { ClientId } } = await idp.createUserPoolClient({ UserPoolId, ClientName: 'web', ExplicitAuthFlows: ['ALLOW_USER_SRP_AUTH', 'ALLOW_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'] })
  const Username = unique('ada') + '@example.com'
  await idp.signUp({ ClientId, Username, Password: password, UserAttributes: [{ Name: 'email', Value: Username }] })
  const mail = await until(async () => {
    const box = await (await fetch(endpoint + '/_moln/mailbox.json')).json()
    const messages = Array.isArray(box) ? box : Object.values(box).find(Array.isArray)
    return messages.find(m => JSON.stringify(m).includes(Username))
  }, 'a mail to ' + Username)
  const [ConfirmationCode] = (mail.Text ?? JSON.stringify(mail)).match(/\b\d{6}\b/)
  await idp.confirmSignUp({ ClientId, Username, ConfirmationCode })
  return { idp, UserPoolId, ClientId, Username }
}

test('cognito sign-up and sign-in', async () => {
  const { idp, ClientId, Username } = await member()
  const ask = Password => idp.initiateAuth({ ClientId, AuthFlow: 'USER_PASSWORD_AUTH', AuthParameters: { USERNAME: Username, PASSWORD: Password } })
  const { AuthenticationResult } = await ask(password)
  const user = await idp.getUser({ AccessToken: AuthenticationResult.AccessToken })
  assert.equal(user.UserAttributes.find(a => a.Name === 'email_verified').Value, 'true')
  await refused('NotAuthorizedException', 400, ask('Wrong-Horse-9'))
})

test('cognito SRP as in a browser', async () => {
  const { CognitoUserPool, CognitoUser, AuthenticationDetails } = require('amazon-cognito-identity-js')
  const { UserPoolId, ClientId, Username } = await member()
  const pool = new CognitoUserPool({ UserPoolId, ClientId, endpoint })
  const signIn = Password => new Promise((resolve, reject) => {
    const user = new CognitoUser({ Username, Pool: pool })
    user.authenticateUser(new AuthenticationDetails({ Username, Password }), { onSuccess: session => resolve([user, session]), onFailure: reject })
  })
  const [user, session] = await signIn(password)
  assert.equal(session.getIdToken().payload.email, Username)
  const attributes = await new Promise((resolve, reject) => user.getUserAttributes((error, list) => error ? reject(error) : resolve(list)))
  assert.ok(attributes.some(a => a.getName() === 'sub'))
  const fresh = await new Promise((resolve, reject) => user.refreshSession(session.getRefreshToken(), (error, s) => error ? reject(error) : resolve(s)))
  assert.ok(fresh.isValid())
  await assert.rejects(signIn('Wrong-Horse-9'), { name: 'NotAuthorizedException' })
})

test('cognito identity pool', async () => {
  const { idp, UserPoolId, ClientId, Username } = await member()
  const [identity] = client('cognito-identity', 'CognitoIdentity')
  const [iam] = client('iam', 'IAM')
  const ProviderName = `cognito-idp.${region}.amazonaws.com/${UserPoolId}`
  const { IdentityPoolId } = await identity.createIdentityPool({ IdentityPoolName: unique('ip'), AllowUnauthenticatedIdentities: false, CognitoIdentityProviders: [{ ProviderName, ClientId }] })
  const RoleName = unique('federated')
  const { Role } = await iam.createRole({ RoleName, AssumeRolePolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { Federated: 'cognito-identity.amazonaws.com' }, Action: 'sts:AssumeRoleWithWebIdentity', Condition: { StringEquals: { 'cognito-identity.amazonaws.com:aud': IdentityPoolId } } }] }) })
  await identity.setIdentityPoolRoles({ IdentityPoolId, Roles: { authenticated: Role.Arn } })
  const { AuthenticationResult } = await idp.initiateAuth({ ClientId, AuthFlow: 'USER_PASSWORD_AUTH', AuthParameters: { USERNAME: Username, PASSWORD: password } })
  const Logins = { [ProviderName]: AuthenticationResult.IdToken }
  const { IdentityId } = await identity.getId({ IdentityPoolId, Logins })
  const { Credentials: c } = await identity.getCredentialsForIdentity({ IdentityId, Logins })
  const credentials = { accessKeyId: c.AccessKeyId, secretAccessKey: c.SecretKey, sessionToken: c.SessionToken }
  const [sts] = client('sts', 'STS', credentials)
  assert.match((await sts.getCallerIdentity({})).Arn, new RegExp(`:assumed-role/${RoleName}/`))
  const [s3] = client('s3', 'S3', credentials)
  await refused('AccessDenied', 403, s3.listBuckets({}))
})

test('iam and sts', async () => {
  const [iam] = client('iam', 'IAM')
  const UserName = unique('user')
  const { User } = await iam.createUser({ UserName })
  assert.ok(User.CreateDate instanceof Date)
  const { AccessKey } = await iam.createAccessKey({ UserName })
  const credentials = { accessKeyId: AccessKey.AccessKeyId, secretAccessKey: AccessKey.SecretAccessKey }
  const [s3] = client('s3', 'S3', credentials)
  await refused('AccessDenied', 403, s3.listBuckets({}))
  await iam.putUserPolicy({ UserName, PolicyName: 'p', PolicyDocument: allow('s3:ListAllMyBuckets') })
  await s3.listBuckets({})
  const RoleName = unique('role')
  const { Role } = await iam.createRole({ RoleName, AssumeRolePolicyDocument: trust({ AWS: User.Arn }) })
  const [sts] = client('sts', 'STS', credentials)
  assert.equal((await sts.getCallerIdentity({})).Arn, User.Arn)
  const { AssumedRoleUser } = await sts.assumeRole({ RoleArn: Role.Arn, RoleSessionName: 'session' })
  assert.equal(AssumedRoleUser.Arn, `arn:aws:sts::${account}:assumed-role/${RoleName}/session`)
  await refused('AccessDenied', 403, sts.assumeRole({ RoleArn: Role.Arn + 'x', RoleSessionName: 'session' }))
  await refused('NoSuchEntityException', 404, iam.getUser({ UserName: unique('none') }))
})

test('cloudformation', async () => {
  const [cfn, sdk] = client('cloudformation', 'CloudFormation')
  const StackName = unique('stack')
  await cfn.createStack({ StackName, TemplateBody: JSON.stringify({ Resources: { Bucket: { Type: 'AWS::S3::Bucket' }, Table: { Type: 'AWS::DynamoDB::Table', Properties: { BillingMode: 'PAY_PER_REQUEST', AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }], KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }] } } }, Outputs: { Name: { Value: { Ref: 'Bucket' } } } }) })
  const wait = { client: cfn, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }
  await sdk.waitUntilStackCreateComplete(wait, { StackName })
  const { Stacks: [stack] } = await cfn.describeStacks({ StackName })
  const [s3] = client('s3', 'S3')
  await s3.headBucket({ Bucket: stack.Outputs[0].OutputValue })
  await cfn.deleteStack({ StackName })
  await sdk.waitUntilStackDeleteComplete(wait, { StackName: stack.StackId })
  await refused('NotFound', 404, s3.headBucket({ Bucket: stack.Outputs[0].OutputValue }))
})

test('logs', async () => {
  const [logs] = client('cloudwatch-logs', 'CloudWatchLogs')
  const at = { logGroupName: '/' + unique('group'), logStreamName: 's' }
  await logs.createLogGroup({ logGroupName: at.logGroupName })
  await logs.createLogStream(at)
  await logs.putLogEvents({ ...at, logEvents: [{ timestamp: Date.now(), message: 'héllo' }] })
  assert.deepEqual((await logs.getLogEvents({ ...at, startFromHead: true })).events.map(e => e.message), ['héllo'])
  await refused('ResourceAlreadyExistsException', 400, logs.createLogStream(at))
})
