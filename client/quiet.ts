/** A promise that may reject without anybody waiting for it, which would bring a program down. */
export function quiet<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {});
  return promise;
}
