// Tries what the function's role does not allow: describing the table.
'use strict';
const { DynamoDB } = require('@aws-sdk/client-dynamodb');

exports.handler = async () => {
  const headers = { 'Access-Control-Allow-Origin': '*' };
  try {
    await new DynamoDB({}).describeTable({ TableName: process.env.TABLE });
    return { statusCode: 500, headers, body: JSON.stringify({ denied: false }) };
  } catch (err) {
    return { statusCode: 200, headers, body: JSON.stringify({ denied: true, name: err.name, message: err.message }) };
  }
};
