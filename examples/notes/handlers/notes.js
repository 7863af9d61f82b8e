// The notes of one user: a row per note below the user's sub.
'use strict';
const { randomUUID } = require('node:crypto');
const { table, TABLE } = require('./table');

const headers = { 'Access-Control-Allow-Origin': '*' };
const answer = (statusCode, body) => ({ statusCode, headers, body: JSON.stringify(body) });
const ownerOf = (event) => event.requestContext.authorizer.claims.sub;

// The callback style of older tutorials.
exports.list = (event, context, callback) => {
  table()
    .query({
      TableName: TABLE,
      KeyConditionExpression: '#owner = :owner',
      ExpressionAttributeNames: { '#owner': 'owner' },
      ExpressionAttributeValues: { ':owner': ownerOf(event) },
    })
    .then(
      (found) => callback(null, answer(200, found.Items)),
      (err) => callback(err),
    );
};

exports.get = async (event) => {
  const Key = { owner: ownerOf(event), id: event.pathParameters.id };
  const { Item } = await table().get({ TableName: TABLE, Key });
  return Item ? answer(200, Item) : answer(404, { message: 'No such note' });
};

exports.create = async (event) => {
  const { title, body } = JSON.parse(event.body);
  const Item = { owner: ownerOf(event), id: randomUUID(), title, body, created: new Date().toISOString() };
  await table().put({ TableName: TABLE, Item, ConditionExpression: 'attribute_not_exists(id)' });
  return answer(201, Item);
};

exports.update = async (event) => {
  const { title, body = '' } = JSON.parse(event.body);
  try {
    const { Attributes } = await table().update({
      TableName: TABLE,
      Key: { owner: ownerOf(event), id: event.pathParameters.id },
      UpdateExpression: 'SET title = :title, body = :body ADD revision :one',
      ConditionExpression: 'attribute_exists(id)',
      ExpressionAttributeValues: { ':title': title, ':body': body, ':one': 1 },
      ReturnValues: 'ALL_NEW',
    });
    return answer(200, Attributes);
  } catch (err) {
    if (err.name === 'ConditionalCheckFailedException') return answer(404, { message: 'No such note' });
    throw err;
  }
};

exports.remove = async (event) => {
  await table().delete({ TableName: TABLE, Key: { owner: ownerOf(event), id: event.pathParameters.id } });
  return { statusCode: 204, headers, body: '' };
};
