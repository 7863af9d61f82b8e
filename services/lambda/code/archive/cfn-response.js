// Answers a CloudFormation custom resource: present beside inline code, as at AWS.
'use strict';
exports.SUCCESS = 'SUCCESS';
exports.FAILED = 'FAILED';

exports.send = function (event, context, status, data, physicalId, noEcho) {
  const body = JSON.stringify({
    Status: status,
    Reason: 'See the details in CloudWatch Log Stream: ' + context.logStreamName,
    PhysicalResourceId: physicalId || context.logStreamName,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    NoEcho: noEcho || false,
    Data: data,
  });
  const url = new URL(event.ResponseURL);
  const client = require(url.protocol === 'https:' ? 'https' : 'http');
  return new Promise((resolve) => {
    const done = (error) => {
      if (error) console.log('cfn-response: the answer could not be sent: ' + error);
      if (context.done) context.done();
      resolve();
    };
    const request = client.request(url, { method: 'PUT', headers: { 'content-type': '', 'content-length': Buffer.byteLength(body) } }, (response) => {
      response.resume();
      response.on('end', () => done());
    });
    request.on('error', done);
    request.end(body);
  });
};
