// The conversations, which this browser keeps and nobody else.

const NAME = "gptoss-chats";

function stored() {
  try {
    return JSON.parse(localStorage.getItem(NAME)) || [];
  } catch {
    return [];
  }
}

export const store = {
  NAME,
  chats: [], // {id, at, title, messages: [{role, content, reasoning, figures, error}]}, the last used first; at is when

  load() {
    this.chats = stored();
  },

  // merge takes over what another tab has saved, and keeps the conversation that is
  // shown, and those without messages. It tells whether the one that is shown changed.
  merge(now) {
    let changed = false;
    const theirs = stored().map((c) => {
      const own = this.chats.find((x) => x.id === c.id);
      if (!own || own.at >= c.at) return own || c;
      changed ||= own === now;
      return Object.assign(own, c);
    });
    this.chats = [...this.chats.filter((c) => (c === now || !c.messages.length) && !theirs.includes(c)), ...theirs];
    return changed;
  },

  // save keeps all that has something in it. Where the browser has no room, the
  // oldest goes.
  save() {
    const kept = this.chats.filter((c) => c.messages.length);
    for (;;) {
      try {
        localStorage.setItem(NAME, JSON.stringify(kept));
        return;
      } catch {
        if (!kept.pop()) return;
      }
    }
  },

  make() {
    const chat = { id: crypto.randomUUID?.() || String(Date.now() + Math.random()), title: "New chat", messages: [] };
    this.chats.unshift(chat);
    return chat;
  },

  // touch puts a conversation first.
  touch(chat) {
    chat.at = Date.now();
    this.chats = [chat, ...this.chats.filter((c) => c !== chat)];
    this.save();
  },

  drop(chat) {
    this.chats = this.chats.filter((c) => c !== chat);
    this.save();
  },
};
