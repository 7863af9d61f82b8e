exports.handler = async (event, context) => ({ event, id: context.awsRequestId });
