/**
 * Loads a part on first use, once. A browser may remember for good that an address could not be loaded
 * (https://github.com/whatwg/html/issues/6768). The error names the address: the next attempt uses another.
 */
export function lazy<Part>(load: () => Promise<Part>): () => Promise<Part> {
  let get = load;
  let part: Promise<Part> | undefined;
  return () => {
    part ??= get().catch((error) => {
      part = undefined;
      const address = /http[^?\s]+/.exec(error.message);
      if (address) get = () => import(`${address}?${Date.now()}`);
      throw error;
    });
    return part;
  };
}
