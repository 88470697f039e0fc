// How does something get into the document? As elements and text nodes: no text is ever parsed as HTML.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * An element.
 *
 * @param {string} tag
 * @param {object} [properties] `class`, `text`, `data`, `on` ({event: handler}), anything else is an attribute; null, undefined
 *   and false leave it out, true sets it empty.
 * @param {...(Node|string|null|undefined|false)} children
 */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same in SVG. */
export function s(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'text') element.textContent = value;
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (name === 'on') for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** Set the text of an element, if it is another: the layout of what did not change is left alone. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set or remove an attribute, if it is another. */
export function mark(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, String(value));
  }
}

/** Replace everything inside an element. */
export function put(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

/** Make the children of `parent` those of `items`, keyed, moving as little as possible; the elements are kept in `known`. */
export function keyed(parent, known, items, key, make, update) {
  const wanted = new Set();
  let place = parent.firstChild;
  for (const item of items) {
    const id = key(item);
    wanted.add(id);
    let part = known.get(id);
    if (!part) {
      part = make(item);
      known.set(id, part);
    }
    update?.(part, item);
    const element = part.element ?? part;
    if (element === place) place = place.nextSibling;
    else parent.insertBefore(element, place);
  }
  for (const [id, part] of known) {
    if (!wanted.has(id)) {
      (part.element ?? part).remove();
      known.delete(id);
    }
  }
}
