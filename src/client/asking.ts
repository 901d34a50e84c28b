/**
 * The first question on a connection that is read by lines.
 *
 * @module
 */

import type { LineStream } from "../connection/line_stream.ts";
import { lineError } from "../wire/reply_error.ts";

/** Asks the server's version; also to see that a memcached is there at all. */
export async function askVersion(stream: LineStream): Promise<string> {
  stream.send("version");
  const line = await stream.line();
  if (line.startsWith("VERSION ")) return line.slice(8);
  throw lineError(line, stream.about());
}
