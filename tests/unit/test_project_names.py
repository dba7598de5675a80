from tray.core.project_names import Folder, ProjectNames


def names(*folders):
    known = ProjectNames()
    for folder in folders:
        known.use(folder)
    return [known.name(folder) for folder in folders]


def at(directory, host="here", **more):
    return Folder(host, directory, **more)


def test_a_project_is_named_after_its_folder():
    assert names(at("/home/me/shop"), at("/home/me/docs/")) == ["shop", "docs"]


def test_folders_of_the_same_name_get_the_shortest_unique_end_of_the_path():
    assert names(at("/w/project-a/main"), at("/w/project-b/main"), at("/w/other")) == [
        "project-a/main", "project-b/main", "other",
    ]  # fmt: skip
    assert names(at("/a/x/main"), at("/b/x/main"), at("/c/y/main")) == ["a/x/main", "b/x/main", "y/main"]


def test_a_path_that_is_the_end_of_another_is_named_in_full():
    assert names(at("/main"), at("/a/main")) == ["main", "a/main"]


def test_the_same_path_on_two_machines_names_the_machine():
    assert names(at("/srv/app"), at("/srv/app", host="far")) == ["app@here", "app@far"]


def test_a_linked_worktree_is_named_after_its_repository_and_branch():
    one = at("/w/8f2/tree", repository="/home/me/shop", branch="fix-login")
    two = at("/w/91c/tree", repository="/home/me/shop", branch="dark-mode")
    assert names(one, two, at("/home/me/shop")) == ["shop:fix-login", "shop:dark-mode", "shop"]
    assert names(at("/w/8f2/tree", repository="/home/me/shop")) == ["shop:tree"]


def test_a_name_is_short_again_after_the_other_folder_was_removed():
    known = ProjectNames()
    a, b = at("/w/a/main"), at("/w/b/main")
    known.use(a)
    assert known.name(a) == "main"
    known.use(b)
    known.use(b)
    assert (known.name(a), known.name(b)) == ("a/main", "b/main")
    known.release(b)
    assert known.name(a) == "a/main"
    known.release(b)
    assert known.name(a) == "main"


def test_windows_paths_and_hostile_names_are_text():
    assert names(at("C:\\work\\shop"), at("/srv/x\u202ey\n")) == ["shop", "xy"]
    assert names(at(""), at("/")) == ["here", "here"]
