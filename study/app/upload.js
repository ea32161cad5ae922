// A button that opens a file and sends it to the kernel. Of one that is too large only the size is sent: as a message it would
// close the connection.

function render({ model, el }) {
  const input = Object.assign(document.createElement("input"), { type: "file", accept: model.get("accept") });
  const button = document.createElement("button");
  button.className = "jupyter-widgets jupyter-button widget-button mvae-upload";
  button.style.cssText = "width: 100%; margin: 0";
  button.textContent = model.get("label");
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", async () => {
    const [file] = input.files;
    input.value = ""; // or the same file could not be chosen again
    if (!file) return;
    const small = file.size <= model.get("most");
    model.send({ name: file.name, size: file.size }, undefined, small ? [await file.arrayBuffer()] : []);
  });
  el.append(button);
}

export default { render };
