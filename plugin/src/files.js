import { readFile, stat } from "node:fs/promises"

const MAX_FILE = 4096 // bytes

/**
 * Return the text of a small file; "" if there is none, if it is larger than 4096 bytes, or not a regular file.
 * @param {string} path
 */
export async function readSmallFile(path) {
  try {
    const found = await stat(path)
    return found.isFile() && found.size <= MAX_FILE ? await readFile(path, "utf8") : ""
  } catch {
    return ""
  }
}
