// The table, through the stock SDK: no endpoint, no keys, no region in the code.
'use strict';
const { DynamoDB } = require('@aws-sdk/client-dynamodb');
const { DynamoDBDocument } = require('@aws-sdk/lib-dynamodb');

let document;
exports.TABLE = process.env.TABLE;
exports.table = () => {
  document ??= DynamoDBDocument.from(new DynamoDB({}), { marshallOptions: { removeUndefinedValues: true } });
  return document;
};
