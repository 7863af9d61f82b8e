'use strict'

// One line for each test, and the count that compat/run reads.
module.exports = async function * report (source) {
  let passed = 0
  let failed = 0
  for await (const { type, data } of source) {
    if (data?.name?.endsWith('.test.js')) continue
    if (type === 'test:pass') {
      passed++
      yield `ok   ${data.name} (${(data.details.duration_ms / 1000).toFixed(2)} s)\n`
    } else if (type === 'test:fail') {
      failed++
      const error = data.details.error?.cause ?? data.details.error
      const said = String(error?.message ?? error).split('\n').slice(0, 12).join(' ')
      yield `FAIL ${data.name}: ${error?.name ?? ''} ${said}  [smoke.test.js:${data.line}]\n`
    } else if (type === 'test:stdout' || type === 'test:stderr') {
      yield data.message
    }
  }
  yield `${passed} passed, ${failed} failed\n`
}
