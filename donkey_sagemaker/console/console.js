// Keeps the part of the page that changes up to date; survives a sleeping phone and a lost network.
"use strict";
(() => {
  const live = document.getElementById("live"), offline = document.getElementById("offline");
  if (!live) return;
  const EVERY_MS = 2000, HIDDEN_MS = 15000, LIMIT_MS = 8000;
  let shown = null, timer = 0, asking = null;
  // Only what differs is replaced, so that a button does not vanish from below a finger
  function show(text) {
    const next = document.createElement("template");
    next.innerHTML = text;
    const fresh = [...next.content.children];
    [...live.children].slice(fresh.length).forEach(each => each.remove());
    fresh.forEach((each, place) => {
      const old = live.children[place];
      if (!old) live.append(each);
      else if (!old.isEqualNode(each)) old.replaceWith(each);
    });
  }
  async function look() {
    clearTimeout(timer);
    if (asking) asking.abort();
    const mine = asking = new AbortController();
    const limit = setTimeout(() => mine.abort(), LIMIT_MS);
    try {
      const answer = await fetch(live.dataset.address, {cache: "no-cache", signal: mine.signal, redirect: "error"});
      if (answer.status === 403) return location.reload();
      if (!answer.ok) throw new Error(answer.status);
      const text = await answer.text();
      offline.hidden = true;
      if (text !== shown) show(shown = text);
      const goal = live.querySelector("[data-go]");
      if (goal) return location.replace(goal.dataset.go);
    } catch (error) {
      if (mine !== asking) return;
      offline.hidden = false;
    } finally {
      clearTimeout(limit);
    }
    timer = setTimeout(look, document.hidden ? HIDDEN_MS : EVERY_MS);
  }
  addEventListener("online", look);
  addEventListener("pageshow", look);
  document.addEventListener("visibilitychange", () => document.hidden || look());
})();
