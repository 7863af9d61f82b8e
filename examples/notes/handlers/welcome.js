// Runs once a user has confirmed the address: leaves a first note.
'use strict';
const { table, TABLE } = require('./table');

exports.handler = async (event) => {
  if (event.triggerSource === 'PostConfirmation_ConfirmSignUp') {
    await table().put({
      TableName: TABLE,
      Item: {
        owner: event.request.userAttributes.sub,
        id: 'welcome',
        title: 'Welcome',
        body: `This account belongs to ${event.request.userAttributes.email}.`,
        created: new Date().toISOString(),
      },
    });
  }
  return event;
};
