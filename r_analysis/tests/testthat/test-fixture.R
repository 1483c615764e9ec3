test_that("the committed fixture is what the helper writes", {
  folder <- tempfile()
  write_fixture_results(folder)
  expect_setequal(list.files(folder), list.files("fixture"))
  for (file in list.files("fixture")) {
    expect_identical(readLines(file.path(folder, file)), readLines(file.path("fixture", file)), info = file)
  }
})
