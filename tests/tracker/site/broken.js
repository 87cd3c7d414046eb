document.getElementById("pay").addEventListener("click", () => {
  throw new Error("no payment for ann@example.com, card 4111111111111111");
});
document.getElementById("promise").addEventListener("click", () => {
  Promise.reject(new Error("the bank did not answer"));
  const widget = document.createElement("script");
  widget.src = "/missing-widget.js?token=secret";
  document.body.append(widget);
});
document.getElementById("many").addEventListener("click", () => {
  for (let n = 0; n < 40; n++) {
    setTimeout(() => {
      throw new Error("again " + "x".repeat(n));
    });
  }
});
