;; The activity of `chronicle.wit`: gives back what it is given.
(component
  (core module $Main
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "note") (param i32 i32) (result i32)
      (i32.store (i32.const 0) (local.get 0))
      (i32.store (i32.const 4) (local.get 1))
      (i32.const 0)))
  (core instance $main (instantiate $Main))
  (func $note (param "text" string) (result string) (canon lift (core func $main "note")
    (memory (core memory $main "memory")) (realloc (core func $main "realloc"))))
  (instance $notes (export "note" (func $note)))
  (export "test:chronicle/notes@1.0.0" (instance $notes)))
