// The conversations, which this browser keeps and nobody else.

const NAME = "gptoss-chats";

export const store = {
  chats: [], // {id, title, messages: [{role, content, reasoning, figures, error}]}, the last used first

  load() {
    try {
      this.chats = JSON.parse(localStorage.getItem(NAME)) || [];
    } catch {
      this.chats = [];
    }
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
    this.chats = [chat, ...this.chats.filter((c) => c !== chat)];
    this.save();
  },

  drop(chat) {
    this.chats = this.chats.filter((c) => c !== chat);
    this.save();
  },
};
