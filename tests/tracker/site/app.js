// an app of one page: the address changes by the history alone
function draw() {
  const name = location.pathname.split("/").pop();
  document.title = name;
  document.getElementById("view").textContent = name;
}
document.getElementById("go").addEventListener("click", () => {
  history.pushState({}, "", "/cart");
  draw();
});
addEventListener("popstate", draw);
