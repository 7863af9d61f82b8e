// Uploads: noted in the table when they arrive, listed by identity.
'use strict';
const { table, TABLE } = require('./table');

exports.created = async (event) => {
  for (const { s3, eventTime, eventName } of event.Records) {
    const key = decodeURIComponent(s3.object.key.replace(/\+/g, ' '));
    const identity = key.split('/')[1];
    await table().put({
      TableName: TABLE,
      Item: {
        owner: `upload#${identity}`,
        id: key,
        size: s3.object.size,
        etag: s3.object.eTag,
        version: s3.object.versionId,
        bucket: s3.bucket.name,
        event: eventName,
        time: eventTime,
      },
    });
    console.log(`noted ${key}`);
  }
};

exports.list = async (event) => {
  const found = await table().query({
    TableName: TABLE,
    KeyConditionExpression: '#owner = :owner',
    ExpressionAttributeNames: { '#owner': 'owner' },
    ExpressionAttributeValues: { ':owner': `upload#${decodeURIComponent(event.pathParameters.identityId)}` },
  });
  return { statusCode: 200, headers: { 'Access-Control-Allow-Origin': '*' }, body: JSON.stringify(found.Items) };
};
