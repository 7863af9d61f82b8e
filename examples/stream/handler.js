'use strict'

const { DynamoDBClient, UpdateItemCommand } = require('@aws-sdk/client-dynamodb')

const client = new DynamoDBClient({})

// count adds each new order to its customer's total, and says from which record
// on it did not get.
exports.count = async event => {
  for (const record of event.Records) {
    try {
      await client.send(new UpdateItemCommand({
        TableName: process.env.TOTALS,
        Key: { customer: record.dynamodb.NewImage.customer },
        UpdateExpression: 'ADD orders :one',
        ExpressionAttributeValues: { ':one': { N: '1' } }
      }))
    } catch (error) {
      console.error(error)
      return { batchItemFailures: [{ itemIdentifier: record.dynamodb.SequenceNumber }] }
    }
  }
  return { batchItemFailures: [] }
}
