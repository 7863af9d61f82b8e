'use strict';

// print tells the log what it was given.
exports.print = async (event) => console.log('got ' + JSON.stringify(event));

// work fails where it is told to.
exports.work = async (event) => {
  if (event.fail) throw new Error('told to fail');
  return { done: event };
};
