/**
 * What sets commands apart, as bits, and what is made of a reply.
 *
 * @module
 */

/** The reply goes on. */
export const CONTINUES = 0;
/** The reply is complete. */
export const COMPLETE = 1;
/** The reply is complete, and the connection is no longer to be trusted. */
export const COMPLETE_DROP = 2;
/** The reply cannot be this request's. */
export const FOREIGN = 3;

/** It reads only, and may be sent again after a lost connection. */
export const READ_ONLY = 1;
/** Sending it twice does no harm. */
export const IDEMPOTENT = 2;
/** It may share one line with others of its kind. */
export const JOINABLE = 4;
/** It carries a value. */
export const CARRIES_VALUE = 8;
/** No reply is asked for. */
export const NOREPLY = 16;
/** The end of the connection is what it waits for. */
export const ENDS_CONNECTION = 32;
/** There is nothing to do for it where nothing is connected. */
export const NEEDS_NO_LINK = 64;
/** A token ends its reply, whatever that is. */
export const RAW_REPLY = 128;
/** It has something to let go of once its caller has been told. */
export const RELEASES = 256;
/** It may deal with a failure in its own way. */
export const TAKES_FAILURES = 512;
/** It asks what the server speaks. */
export const PROBES = 1024;
/** It is a command of the meta protocol. */
export const NEEDS_META = 2048;
/** Not every version of the server knows all of it. */
export const NEEDS_VERSION = 4096;
/** Where the server speaks meta it is answered only if there is something to say. */
export const QUIET = 8192;
/** It goes in the same write as the command behind it. */
export const COMPANION = 16_384;
/** It is the client's own, and neither told nor counted as anybody's command. */
export const OWN = 32_768;
