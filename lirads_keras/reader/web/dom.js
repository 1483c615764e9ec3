// Small help with the document. Text goes in as text, never as markup: labels and messages come from outside.

export const byId = (id) => document.getElementById(id);

/** An element with properties (`class`, `dataset` and `aria-…` too) and children, which are elements or text. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'dataset') Object.assign(made.dataset, value);
    else if (name === 'class') made.className = value;
    else if (name.startsWith('aria-')) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** Shows `text` in an element, or hides the element where there is none. */
export function showText(node, text) {
  node.textContent = text;
  node.hidden = !text;
}

/** Says something to all who look or listen, without taking the focus. */
export function announce(text) {
  byId('status').textContent = text;
}

/** Asks a question that can be refused; resolves to whether it was agreed to. */
export function ask(question, yes) {
  const dialog = byId('ask-dialog');
  byId('ask-text').textContent = question;
  byId('ask-yes').textContent = yes;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
