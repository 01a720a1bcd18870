;; A workflow that does nothing but answer: what a child workflow costs. Deployed with kind = "workflow".
(component
  (core module $code
    (func (export "answer") (param $n i32) (result i64) (i64.extend_i32_u (local.get $n))))
  (core instance $guest (instantiate $code))
  (func $answer (param "n" u8) (result u64) (canon lift (core func $guest "answer")))
  (instance $exports (export "answer" (func $answer)))
  (export "bench:guests/child" (instance $exports)))
