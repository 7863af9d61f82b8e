// Who the custom authorizer says is calling.
'use strict';
exports.handler = async (event) => {
  const { principalId, email } = event.requestContext.authorizer;
  return {
    statusCode: 200,
    headers: { 'Access-Control-Allow-Origin': '*' },
    body: JSON.stringify({ sub: principalId, email }),
  };
};
