/**
 * The version of the package, which a test holds to deno.json.
 *
 * @module
 */

/** The version of the package. */
export const VERSION: string = "0.1.0";
