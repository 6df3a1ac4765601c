// The libraries under the names that this page uses.
import { h, render, Fragment } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { h, render, Fragment };
export {
  useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback,
} from "./vendor/preact-hooks.js";
export const html = htm.bind(h);
