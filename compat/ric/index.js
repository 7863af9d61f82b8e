'use strict';
let calls = 0;
class Bad extends Error {
  constructor(message) {
    super(message);
    this.name = 'Bad';
  }
}
exports.handler = async (event, context) => {
  calls++;
  switch (event.do) {
    case 'echo': return event.value;
    case 'count': return calls;
    case 'size': return event.value.length;
    case 'big': return 'x'.repeat(event.bytes);
    case 'log': console.log('logged ' + event.value); return null;
    case 'handled': throw new Bad('told to fail');
    case 'thrown': throw 'a string';
    case 'exit': return process.exit(3);
    case 'sleep': return new Promise((done) => setTimeout(done, 60000));
    case 'context': return {
      request: context.awsRequestId, name: context.functionName, version: context.functionVersion, arn: context.invokedFunctionArn,
      memory: +context.memoryLimitInMB, group: context.logGroupName, stream: context.logStreamName,
      left: context.getRemainingTimeInMillis(), custom: context.clientContext ? context.clientContext.custom.k : null,
      region: process.env.AWS_REGION, own: process.env.OWN, trace: process.env._X_AMZN_TRACE_ID,
    };
  }
};
