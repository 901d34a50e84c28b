/**
 * The characters and forms of host names and IP addresses, read by index.
 *
 * @module
 */

/** Whether a code unit is `0` to `9`. */
export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** Whether a code unit is an ASCII letter or digit. */
export function isAlphanumeric(code: number): boolean {
  return isDigit(code) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a);
}

/** Whether a code unit is a hexadecimal digit. */
function isHex(code: number): boolean {
  return isDigit(code) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x66);
}

/** Whether a code unit is a control character of ASCII or Latin-1. */
export function isControl(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => {
    if (part.length === 0 || part.length > 3) return false;
    for (let i = 0; i < part.length; i++) {
      if (!isDigit(part.charCodeAt(i))) return false;
    }
    return Number(part) <= 255;
  });
}

/** Whether text is what may follow the `%` of an IPv6 address. */
function isZone(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (!isAlphanumeric(text.charCodeAt(i)) && !"._-".includes(text[i])) {
      return false;
    }
  }
  return text.length > 0;
}

/** Whether text is an IPv6 address, with a zone or without, not in brackets. */
export function isIpv6(text: string): boolean {
  const percent = text.indexOf("%");
  if (percent >= 0) {
    return isZone(text.slice(percent + 1)) && isIpv6(text.slice(0, percent));
  }
  let groups = 0;
  let gap = text.startsWith("::");
  let i = gap ? 2 : 0;
  if (gap && text.length === 2) return true;
  for (;;) {
    const start = i;
    while (i < text.length && isHex(text.charCodeAt(i))) i++;
    if (text[i] === ".") {
      if (!isIpv4(text.slice(start))) return false;
      groups += 2;
      break;
    }
    if (i === start || i - start > 4) return false;
    groups++;
    if (i === text.length) break;
    if (text[i++] !== ":") return false;
    if (text[i] === ":") {
      if (gap) return false;
      gap = true;
      if (++i === text.length) break;
    }
  }
  return gap ? groups < 8 : groups === 8;
}
