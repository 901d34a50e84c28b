/**
 * The check of TLS options, wherever they come from.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import type { TlsOptions } from "../types.ts";

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length > 0;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every(isText);
}

/** Tells a PEM text from the name of a file that holds one. */
function isPem(value: unknown): value is string {
  return isText(value) && value.includes("-----BEGIN ");
}

/**
 * Checks TLS options and copies them, so that later changes of the caller's
 * object have no effect.
 *
 * @param options What the caller gave.
 * @returns A frozen copy, without the fields that are `undefined`.
 * @throws {MemcacheIllegalInputError} A field has the wrong type, or there is
 * a certificate without its key. Nothing of what the fields hold is told.
 */
export function readTlsOptions(options: TlsOptions): TlsOptions {
  const refuse = (field: string, needs: string): never => {
    throw new MemcacheIllegalInputError(
      `Cannot use TLS options: ${field} must be ${needs}`,
      { sent: false },
    );
  };
  if (typeof options !== "object" || options === null) {
    return refuse("tls", "true, false or an object");
  }
  const { caCerts, cert, key, serverName, alpnProtocols, insecureSkipVerify } =
    options;
  const copy: TlsOptions = {};
  if (caCerts !== undefined) {
    if (!isTexts(caCerts) || !caCerts.every(isPem)) {
      refuse("caCerts", "an array of PEM texts");
    }
    copy.caCerts = Object.freeze([...caCerts]);
  }
  if (cert !== undefined || key !== undefined) {
    if (!isPem(cert)) refuse("cert", "a PEM text where key is given");
    if (!isPem(key)) refuse("key", "a PEM text where cert is given");
    copy.cert = cert;
    copy.key = key;
  }
  if (serverName !== undefined) {
    if (!isText(serverName)) refuse("serverName", "a name");
    copy.serverName = serverName;
  }
  if (alpnProtocols !== undefined) {
    if (!isTexts(alpnProtocols)) refuse("alpnProtocols", "an array of names");
    for (const name of alpnProtocols) {
      if (new TextEncoder().encode(name).length > 255) {
        refuse("each of alpnProtocols", "at most 255 bytes");
      }
    }
    copy.alpnProtocols = Object.freeze([...alpnProtocols]);
  }
  if (insecureSkipVerify !== undefined) {
    if (typeof insecureSkipVerify !== "boolean") {
      refuse("insecureSkipVerify", "true or false");
    }
    copy.insecureSkipVerify = insecureSkipVerify;
  }
  return Object.freeze(copy);
}
