/** Marks a promise as handled: an unhandled rejection would end the program. */
export function quiet<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {});
  return promise;
}
