/**
 * Commands on their way into an output.
 *
 * @module
 */

import type { Output } from "../wire/output.ts";
import type { Request } from "./request.ts";

/**
 * Writes a command, or fails it and leaves no trace of it: what is not written
 * as a whole must not be waited for.
 */
export function encoded(
  request: Request,
  out: Output,
  meta: boolean,
  opaque: number,
): boolean {
  const start = out.length;
  try {
    request.kind.encode(out, meta, opaque);
    request.leaves();
    return true;
  } catch (error) {
    out.length = start;
    out.large = undefined;
    request.fail(error);
    return false;
  }
}
